/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that are to end. Each is signalled through a descriptor that was opened before the look
 * that saw it with a node open, so that its number cannot be another's by then.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/in-use.h"

#define MSEC UINT64_C(1000)
#define SEC (UINT64_C(1000) * MSEC)
#define TERM_PATIENCE (5 * SEC) /* for who was asked to end by SIGTERM */

typedef struct Target {
        int pid;
        int fd;            /**< pidfd */
        bool is_told;      /**< for who has another way of asking, too */
        uint64_t asked_at; /**< by SIGTERM; 0: not yet */
        bool is_killed;
} Target;

typedef struct Targets {
        Target list[HOLDERS_MAX];
        size_t n;
} Targets;

/** Closes what it holds. */
void targets_done(Targets *targets);

/** Finds a process; NULL where it is none of them. */
Target *targets_find(Targets *targets, int pid);

/** Adds who is not among them. Returns how many are new: they are to be looked at once more before
 * anything is done to them. */
unsigned targets_watch(Targets *targets, const Holders *holders);

/** Waits until one of them has ended, or for so long, and forgets those that have. */
void targets_wait(Targets *targets, uint64_t usec);

/** Asks one to end by SIGTERM; in a later call, TERM_PATIENCE after that, kills it. */
void target_end(Target *target, const NodeHolder *holder);
