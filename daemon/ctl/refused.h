/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a verb says that something was refused, to a person and to a program.
 */
#pragma once

#include "ctl/bus.h"
#include "view/json.h"

/** Adds `refusal`: an object, or null for REFUSAL_NONE. */
void refused_add_to_json(json_object *answer, RefusalKind kind, const char *text);

/** Says a refusal on stderr, with its name. Returns its exit code. */
int refused_complain(RefusalKind kind, const char *text);

/** Says on stderr why a call failed. Returns the exit code. */
int refused_complain_of_call(const BusError *error, const char *host);
