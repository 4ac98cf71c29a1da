/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/stat, as far as it tells whether a process is still the one that it was, and whose
 * child it is. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

/**
 * Parses the line (proc_pid_stat(5)).
 *
 * @ret_state: the letter: R, S, D, Z, ...
 * @ret_start: clock ticks after the boot
 *
 * Returns 0, or -EBADMSG with both untouched.
 */
_must_check_ int process_stat_parse(const char *line, char *ret_state, uint64_t *ret_start);

/** The process that has started it, by the same line; 0 where it has none, or that is not told. */
int process_stat_parent(const char *line);
