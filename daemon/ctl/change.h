/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change by one call of the service: the same for `next`, `set-default`, `confirm` and `release`.
 */
#pragma once

#include "ctl/arguments.h"

typedef struct Change {
        const char *method;
        const char *const
                *parts; /**< of a description: those that it can change; NULL behind them */
        void (*print)(const json_object *after); /**< says what is so now */
} Change;

/**
 * Makes the change, and says what is so then and whether anything changed.
 *
 * @mode: NULL where the method takes none
 *
 * Returns the program's exit code.
 */
int change_run(const Arguments *arguments, const Change *change, const char *mode);

/** A change of what boots go to. Returns as change_run(). */
int change_boots(const Arguments *arguments, const char *method, const char *mode);
