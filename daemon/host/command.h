/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs another program and waits for it. Only for the live machine.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/**
 * Runs a program for what it prints on stdout, which need not be text.
 *
 * @arguments: its name first, NULL last
 * @max: how much it may print at most
 * @ret: what it printed, the caller frees it; untouched unless 0 is returned
 * @said: gets what it says on stderr, as far as it fits, terminated; NULL: that goes to ours
 *
 * Returns its exit status; -EFBIG where it prints more; else as command_run().
 */
_must_check_ int command_read(const char *const *arguments, size_t max, uint8_t **ret,
                              size_t *ret_size, char *said, size_t said_size);

/**
 * Runs a program found in $PATH. What it says on stderr is dropped: the callers' own messages say
 * what its failure means.
 *
 * @arguments: its name first, NULL last
 * @output: gets what it prints on stdout, as far as it fits, terminated; NULL: it prints to ours
 *
 * Returns its exit status; -EIO where a signal ended it; else the error of running it (-ENOENT:
 * there is no such program), or of reading what it prints, and then @output is "".
 */
_must_check_ int command_run(const char *const *arguments, char *output, size_t size);

/** As command_run(), with what it says on stderr among what it prints. @output: not NULL */
_must_check_ int command_run_both(const char *const *arguments, char *output, size_t size);
