/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's framebuffer (host/firmware-framebuffer.h), taken off a display and given back.
 */
#pragma once

#include "writer.h"

/**
 * Takes it from its driver, which gives up the display's memory; where something else keeps that,
 * the log says so.
 *
 * @address: the function that it is on
 * @name: a platform device, such as "efi-framebuffer.0"
 *
 * Returns 0, also where no driver has it; else write(2)'s error.
 */
_must_check_ int framebuffer_release(Writer *writer, PciAddress address, const char *name);

/** Gives it back to its driver; where that fails, the log says so. It is the display's driver that
 * comes first: see framebuffer_return_if_dark(). */
void framebuffer_return(Writer *writer, PciAddress address, const char *name);

/** The same, where the function has no driver. */
void framebuffer_return_if_dark(Writer *writer, PciAddress address, const char *name);
