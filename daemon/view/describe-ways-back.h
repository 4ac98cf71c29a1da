/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways back from the mode in force, as JSON. */
#pragma once

#include "describe-boot.h"
#include "json.h"
#include "machine.h"

/** One way: `id`, whether it is `open`, and `text`, a sentence. */
json_object *way_back_row(const char *id, bool is_open, const char *text);

/**
 * All of them. Of the live machine those that the last inspection of the mode has found, since this
 * process may not look at the host's network; else they are looked for.
 *
 * Returns an array; NULL in the fallback mode, in no mode, and where nobody has looked.
 */
json_object *ways_back_to_json(const Machine *machine, const Boots *boots);

/** Looks for those from a mode of the configuration. Returns an array, or NULL where that fails. */
json_object *ways_back_find_json(const Machine *machine, const Config *config,
                                 const ConfigMode *mode, const NextBoot *next);
