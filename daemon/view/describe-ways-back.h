/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways back from the mode in force, as JSON. */
#pragma once

#include "describe-boot.h"
#include "json.h"
#include "machine.h"

/** One way: `id`, whether it is `open`, and `text`, a sentence. */
json_object *way_back_row(const char *id, bool is_open, const char *text);

/**
 * Adds `ways_back_from`, the mode whose ways back are told: the one in force; in the fallback mode
 * the default one, or else the first other, which is for the reader to know before the first
 * switch; in no mode the one that the machine is half-way from or to, or else as in the fallback
 * mode. And `ways_back`, an array.
 *
 * They are those that the last inspection of the mode has found: this process may not look at the
 * host's network, and of a captured machine nobody can be asked for servers and logins any more.
 * Where a captured one has no inspection they are looked for. Each is null where there is none.
 */
void ways_back_add(const Machine *machine, const Boots *boots, json_object *answer);

/** Looks for those from a mode of the configuration. Returns an array, or NULL where that fails. */
json_object *ways_back_find_json(const Machine *machine, const Config *config,
                                 const ConfigMode *mode, const NextBoot *next);
