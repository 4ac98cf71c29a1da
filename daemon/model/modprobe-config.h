/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of modprobe.d(5), line by line, with what libkmod does not tell: which line it was, so
 * that a person can be told how to take it away. Pure; a test holds it against libkmod.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define MODPROBE_CONFIG_SIZE_MAX (1024 * 1024)
#define MODPROBE_WORD_SIZE 128
#define MODPROBE_VALUE_SIZE 1024

typedef enum ModprobeCommand {
        MODPROBE_BLACKLIST,
        MODPROBE_OPTIONS,
        MODPROBE_INSTALL,
        MODPROBE_SOFTDEP,
        MODPROBE_ALIAS,
        _MODPROBE_COMMAND_MAX,
} ModprobeCommand;

typedef struct ModprobeLine {
        ModprobeCommand command;
        unsigned line;                   /**< where it begins */
        unsigned last_line;              /**< where it ends: the same, or it goes on behind `\` */
        char module[MODPROBE_WORD_SIZE]; /**< or an alias; with `_` where the file may have `-` */
        char value[MODPROBE_VALUE_SIZE]; /**< the rest of the line, of a blacklist ""; of an alias
                                            the module */
        bool is_cut;                     /**< either has more than fits; what there is, is no use */
} ModprobeLine;

/**
 * Takes the next line that is one of these commands; others, such as `remove`, are passed over.
 *
 * @cursor: where to look; moved behind the line
 * @number: of the lines taken so far; 0 before the first. Counted on.
 *
 * Returns false at the end of the text.
 */
bool modprobe_config_next(const char **cursor, unsigned *number, ModprobeLine *ret);

/** Whether two names are of the same module: `-` and `_` are the same. */
bool modprobe_is_same_module(const char *a, const char *b);

/**
 * Whether the command of an `install` line loads the module after all, by a modprobe that is told
 * not to mind that line (modprobe(8), --ignore-install).
 */
bool modprobe_install_loads(const char *command);

/** Whether it does that and runs nothing else. */
bool modprobe_install_only_loads(const char *command);

/**
 * The value of the last NAME=VALUE among a module's options; "" where there is none or it does not
 * fit.
 *
 * Returns whether it fits, true where there is none.
 */
bool modprobe_option(const char *options, const char *name, char *buffer, size_t size);

/**
 * Whether an `options` line keeps a graphics driver from every card: `modeset=0`, the usual second
 * line behind `blacklist nouveau`. Its module is loaded, and drives nothing.
 */
bool modprobe_turns_off(const ModprobeLine *line);

/** The command's word. */
const char *modprobe_command_name(ModprobeCommand command);
