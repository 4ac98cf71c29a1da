/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refusals as D-Bus errors: org.vfiomode1.Error. and the refusal's name in CamelCase.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "model/refusal.h"

#define BUS_ERROR_PREFIX "org.vfiomode1.Error."
#define BUS_ERROR_NAME_SIZE (sizeof(BUS_ERROR_PREFIX) + 32)

/** Writes a refusal's error name, such as org.vfiomode1.Error.GroupNotViable. Returns @buffer. */
const char *bus_error_name(RefusalKind kind, char buffer[static BUS_ERROR_NAME_SIZE]);

/**
 * Makes an error of a refusal.
 *
 * @text: what is said; cleaned, so that it can be sent whatever it holds; "" for the kind's
 * sentence
 *
 * Returns a negative errno, for a method's handler to return.
 */
int bus_error_set(sd_bus_error *error, RefusalKind kind, const char *text);
