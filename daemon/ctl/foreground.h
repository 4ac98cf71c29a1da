/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command in place of this program, or beside it in the same process group, with the signals, the
 * descriptors and the environment that this program was started with. The exit statuses are those
 * of env(1) and timeout(1).
 */
#pragma once

#include <signal.h>

#include "base/cleanup.h"

#define EXIT_WRAPPER_FAILED 125 /* whoever runs the command, before or after it */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define EXIT_BY_SIGNAL 128 /* and its number */

/** The signals as they were before foreground_hold_signals(). */
typedef struct ForegroundSignals {
        sigset_t mask;
        struct sigaction on_child;
} ForegroundSignals;

/**
 * Looks for a command as execvp(3) does, without running it.
 *
 * Returns 0; -ENOENT where there is none; -EACCES where what is there cannot be executed; else why
 * it cannot be looked at.
 */
_must_check_ int foreground_find(const char *command);

/** Becomes the command. Returns only where that fails: what to exit with, which was said. */
int foreground_become(char **command);

/** From now on no signal that can be held back ends or stops this process: it waits for
 * foreground_run(). */
void foreground_hold_signals(ForegroundSignals *ret);

/**
 * Runs the command to its end. It gets the signals that this process gets, also those that have
 * waited; where a key of the terminal stops it, this process stops as well.
 *
 * @before: the signals are held, and the command gets these
 *
 * Returns its exit status; EXIT_BY_SIGNAL and the number where a signal ended it; or
 * EXIT_WRAPPER_FAILED where it could not be started, which was said.
 */
int foreground_run(char **command, const ForegroundSignals *before);
