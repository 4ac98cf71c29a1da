/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vfio-mode-inspect@MODE.service found out: the plan or the refusal, and the checks, as text
 * (/run/vfio-mode/inspect/MODE, for root only: it may name other users' processes) and as a value.
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config.h"
#include "plan.h"
#include "refusal.h"
#include "ways-back.h"

#define INSPECTION_CHECKS_MAX 416 /* ten of each device, and the others */
#define INSPECTION_SIZE_MAX (1024 * 1024)

typedef enum CheckResult {
        CHECK_PASS,
        CHECK_WARN,
        CHECK_FAIL,
        _CHECK_RESULT_MAX,
} CheckResult;

typedef struct Check {
        char id[16 + CONFIG_NAME_SIZE]; /**< stable, such as "iommu" or "device-gpu" */
        CheckResult result;
        char message[REFUSAL_TEXT_SIZE]; /**< what was seen, which may quote a refusal */
        char advice[256];                /**< what to do; "": nothing */
} Check;

#define INSPECTION_GUEST_ROM "guest-rom-" /* begins the ids of checks that name guests' files */

#define INSPECTION_WAY_BACK "way-back"       /* the step that says of one that is open */
#define INSPECTION_NO_WAY_BACK "no-way-back" /* of one that is not */

/** A step or a note of the plan, or a way back from the mode. */
typedef struct InspectionStep {
        char step[16];                 /**< step_kind_name(), "note", or one of the above */
        char object[CONFIG_UNIT_SIZE]; /**< an address, a module, a unit, a process, a way's word;
                                          "" of a note */
        char note[256];                /**< the step as a person reads it, or the note's text */
} InspectionStep;

typedef struct Inspection {
        char mode[CONFIG_NAME_SIZE];
        char invocation[64];          /**< the unit's $INVOCATION_ID, to know one's own answer */
        RefusalKind kind;             /**< REFUSAL_NONE: there is a plan */
        char text[REFUSAL_TEXT_SIZE]; /**< of the refusal */
        char public_text[REFUSAL_TEXT_SIZE]; /**< the same without names of processes */
        InspectionStep steps[PLAN_STOPS_MAX + PLAN_STEPS_MAX + PLAN_NOTES_MAX + _WAY_BACK_MAX];
        size_t n_steps;
        Check checks[INSPECTION_CHECKS_MAX];
        size_t n_checks;
} Inspection;

/** A result's word: pass, warn, fail. */
const char *check_result_name(CheckResult result);

/** Adds a check; where there is no room it is left out. @advice is dropped of one that passes. */
void inspection_add_check(Inspection *inspection, CheckResult result, const char *id,
                          const char *advice, const char *format, ...) _printf_(5, 6);

/** Takes the processes' names out of the steps, for who may not see them. */
void inspection_hide_processes(Inspection *inspection);

/** Takes other users' programs and the guests that are defined, with their files, out of the
 * checks, for who may not see them. */
void inspection_hide_names(Inspection *inspection);

/** Writes the inspection as text. @ret: the caller frees it. Returns its length, or -ENOMEM. */
_must_check_ int inspection_format(const Inspection *inspection, char **ret);

/** Parses what inspection_format() wrote. Returns 0, -EBADMSG, -EPROTONOSUPPORT or -ENOMEM; @ret is
 * untouched on failure. */
_must_check_ int inspection_parse(const char *text, Inspection *ret);
