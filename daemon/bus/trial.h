/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch that goes back by itself (`confirm-within`). The clock is a transient timer of systemd's
 * and the way back is written to /run, so that neither we nor the caller need to be there when the
 * time is up.
 */
#pragma once

#include "job-file.h"
#include "service.h"

#define TRIAL_USEC_MAX (24 * 60 * 60 * UINT64_C(1000000))

/** The clock being set up. Owned by the caller, who ends it by trial_arming_done(). */
typedef struct TrialArming {
        Service *service;
        uint64_t usec;
        unsigned tries;
        sd_event_source *retry;
        /** Called once; @error: why it was not set up, NULL where it was. */
        void (*armed)(void *userdata, const char *error);
        void *userdata;
} TrialArming;

/**
 * Writes the way back and starts the clock, in the place of an older one.
 *
 * @arming: `service`, `armed` and `userdata` filled by the caller
 * @job: its modes and its time
 *
 * Returns 0, or a negative errno: nothing was set up then, and `armed` is not called.
 */
_must_check_ int trial_arm(TrialArming *arming, const JobRecord *job);

/** Ends the setting up; what is set up stays. */
void trial_arming_done(TrialArming *arming);

/** The switch is done: from now on the time counts. */
void trial_restart(Service *service, const JobRecord *job);

/** Whether a switch is to be confirmed. */
bool trial_exists(const Service *service);

/** It was confirmed, or refused: nothing goes back any more. Returns 0 or a negative errno. */
int trial_end(Service *service);
