/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a process of long ago is still there: pids come round again, a pid with the time of its
 * start does not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "root.h"

/** Reads when a process was started, in clock ticks after the boot. Returns 0; -ESRCH where it has
 * ended, be it that nobody has waited for it; else the error of reading. */
_must_check_ int process_start(const Root *root, int pid, uint64_t *ret);

/** Whether the process that was started then is still there. */
bool process_is_there(const Root *root, int pid, uint64_t start);
