/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine in one JSON text: what `vfio-modectl status --json` prints and Describe() returns.
 * What is missing or damaged is part of it.
 *
 * `schema` comes first (JSON_SCHEMA). Then the mode in force (`mode`, "none" where there is none;
 * `half_way`, `reason`, `old_mode`, `source`, `since`), what is configured (`config`, `modes`,
 * `fallback_mode`), what boots go to from now on (`default_mode`), the next boot (`next_boot`,
 * `boot_environment`), this boot and the one before (`last_boot`, `previous_boot`), the last switch
 * (`last_switch`) and the one that waits to be confirmed (`timed_switch`), what differs from the
 * mode (`drift`), how to get back from it, or from the one that is likely to be next
 * (`ways_back_from`, `ways_back`), and the configured devices (`devices`, `devices_error`).
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "host/root.h"

/** D-Bus' CurrentMode has the same word: no mode may be called so. */
#define NO_MODE "none"

/**
 * Describes the machine below a root.
 *
 * @names_of: the invocation of a switch: only if it is the last one, names of processes are in why
 *            that was refused, where they may be read; "": of none; NULL: of each
 * @ret_json: one line without a newline; the caller frees it; untouched on failure
 *
 * Returns 0, or the error of keeping the root open.
 */
_must_check_ int describe(const Root *root, const char *names_of, char **ret_json);
