/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a run of vfio-mode-apply ended, as text (/run/vfio-mode/result and boot) and as a value.
 * Pure.
 */
#pragma once

#include <stdio.h>

#include "base/cleanup.h"
#include "config.h"
#include "refusal.h"

#define RUN_RESULT_SIZE_MAX 2048

typedef struct RunResult {
        char invocation[64]; /**< the unit's $INVOCATION_ID; "" outside a unit */
        char verb[16];       /**< switch, boot, fallback, replug, leave */
        char mode[CONFIG_NAME_SIZE];
        RefusalKind kind;                  /**< REFUSAL_NONE: done */
        unsigned n_steps;                  /**< that were taken; 0: nothing had to be changed */
        char text[REFUSAL_TEXT_SIZE];      /**< one or two sentences, for everybody */
        char full_text[REFUSAL_TEXT_SIZE]; /**< the same with names of processes, for root; "": it
                                              has none. Not in the text form: it is the `text` of
                                              another file */
} RunResult;

/** Says why it was refused: to everybody, and, where processes are named, to root in full. */
void run_result_set_refusal(RunResult *result, const Refusal *refusal);

/** Writes the result as lines. */
void run_result_print(const RunResult *result, FILE *file);

/** Parses what run_result_print() wrote. Returns 0, or -EBADMSG with @ret untouched. */
_must_check_ int run_result_parse(const char *text, RunResult *ret);
