/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of modules.alias, as depmod(8) writes them: which module is for which devices. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** A line; both parts lie in the text. */
typedef struct ModulesAlias {
        const char *pattern; /**< of modaliases, for fnmatch(3) */
        const char *module;
} ModulesAlias;

/**
 * Finds the next line of the form "alias PATTERN MODULE".
 *
 * @cursor: where to go on, at first the terminated text, which is cut up
 *
 * Returns whether there is one.
 */
bool modules_alias_next(char **cursor, ModulesAlias *ret);

/** Whether the module is for the device with this modalias. */
bool modules_alias_is_for(const ModulesAlias *alias, const char *modalias);
