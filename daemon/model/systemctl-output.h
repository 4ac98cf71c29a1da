/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemctl(1) prints in its plain form, which is kept stable for scripts. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "config.h"

#define UNIT_JOB_SIZE 16

/** One instance of vfio-mode@.service that systemd has loaded. */
typedef struct UnitInstance {
        char mode[CONFIG_NAME_SIZE];
        char active_state[16]; /**< active, activating, deactivating, failed, inactive, reloading */
} UnitInstance;

/** What systemd says of a unit. */
typedef struct UnitState {
        char id[CONFIG_UNIT_SIZE]; /**< its name without an alias; "": too long */
        bool runs;                 /**< or is about to, by a job that has begun */
} UnitState;

/** Whether a unit in this state is up or coming up. One on its way down is not in our way, and was
 * not stopped by us. */
bool systemctl_state_runs(const char *active_state);

/**
 * Parses what `show --property=Id,ActiveState` says of @n units, in the order asked for.
 *
 * @output: cut into lines
 * @ret: a row for each unit
 *
 * Returns 0, or -EBADMSG where it is not of so many units.
 */
_must_check_ int systemctl_parse_states(char *output, size_t n, UnitState *ret);

/**
 * Parses what `list-units` says of the modes' units. Lines that are not of one are passed over.
 *
 * @output: cut into lines
 * @ret: room for @max of them
 *
 * Returns how many; -E2BIG where there are more.
 */
_must_check_ int systemctl_parse_instances(char *output, UnitInstance *ret, size_t max);

/** Takes the type (start, stop, ...) out of the first line of `list-jobs`. Returns whether there is
 * one; @ret is untouched where there is none. */
bool systemctl_parse_job(const char *output, char ret[static UNIT_JOB_SIZE]);

/**
 * Takes what is vfio-mode's own and ends with a mode as well, its guard or who watches over the
 * network, out of the names that a property has.
 *
 * @units: names with blanks or ends of lines between them; one blank afterwards
 *
 * Returns its length.
 */
size_t systemctl_leave_ours_out(char *units);

/**
 * Finds a job in `list-jobs` that starts one of @units.
 *
 * @jobs: cut into lines
 * @units: names with blanks between them
 *
 * Returns that unit's name, which lies in @jobs; NULL where there is none.
 */
const char *systemctl_find_start_job(char *jobs, const char *units);
