/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A description's boots in words.
 */
#pragma once

#include "view/json.h"

/** The next boot in one line: its mode, why, and what it takes care of. New memory. */
char *boot_text_next(const json_object *next_boot);

/** What a boot did and why, in one line. New memory; NULL where there is no record of it. */
char *boot_text_done(const json_object *boot);
