/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: which verb, which options, and whether they go together.
 */
#pragma once

#include <stdbool.h>

#include "ctl/arguments.h"

typedef struct CommandLine {
        Arguments arguments;
        const Verb *verb; /**< NULL where `wants_version` or `wants_help` is set */
        bool wants_help;
        bool wants_version;
} CommandLine;

/**
 * Parses it; the operands are borrowed from @argv. What is wrong is said on stderr.
 *
 * @ret: ended by command_line_done(), on failure too
 *
 * Returns EXIT_CODE_DONE; or what the program exits with: EXIT_CODE_USAGE, or the verb's `failure`.
 */
int command_line_parse(const Verb *const *verbs, int argc, char **argv, CommandLine *ret);

/** Frees it; for `_cleanup_(command_line_done)`. */
void command_line_done(CommandLine *line);
