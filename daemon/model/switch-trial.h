/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch that is to be confirmed (`confirm-within`): which mode it went to, and where it goes
 * back unless somebody who can still reach the machine confirms. vfio-moded writes it to
 * /run/vfio-moded/trial, and to trial.next before the switch is made; vfio-mode-revert.service
 * reads both: so the way back needs neither the service nor the caller. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config.h"

#define SWITCH_TRIAL_SIZE_MAX 256

typedef struct SwitchTrial {
        char mode[CONFIG_NAME_SIZE]; /**< the mode that was switched to */
        char back[CONFIG_NAME_SIZE]; /**< the mode to go back to; "": the fallback mode */
        uint64_t until;              /**< CLOCK_REALTIME, seconds: to be shown */
        uint64_t due; /**< CLOCK_MONOTONIC, µs: nothing goes back earlier; 0: whenever asked */
} SwitchTrial;

/**
 * Parses what switch_trial_format() wrote.
 *
 * Returns 0; -EBADMSG where it is damaged or says less, with @ret untouched.
 */
_must_check_ int switch_trial_parse(const char *text, SwitchTrial *ret);

/** Writes the trial as lines into @buffer. Returns its length, or -ENOSPC. */
_must_check_ int switch_trial_format(const SwitchTrial *trial, char *buffer, size_t size);
