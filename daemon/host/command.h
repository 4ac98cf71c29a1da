/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs another program and waits for it. Only for the live machine.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

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
