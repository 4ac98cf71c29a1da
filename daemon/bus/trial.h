/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch that goes back by itself (`confirm-within`). The clock is a transient timer of systemd's
 * and the way back is written to /run, so that neither we nor the caller need to be there when the
 * time is up.
 *
 * A switch that is under way has a clock and a file of its own: until it has succeeded, an earlier
 * one that waits to be confirmed stays as it is.
 */
#pragma once

#include "job-file.h"
#include "service.h"

#define TRIAL_USEC_MAX (24 * 60 * 60 * UINT64_C(1000000))

/** A clock being set up. Owned by the caller, who ends it by trial_arming_done(). */
typedef struct TrialArming {
        Service *service;
        const char *timer;
        uint64_t usec;
        uint64_t due; /**< CLOCK_MONOTONIC, µs: when it comes at the earliest */
        unsigned tries;
        sd_event_source *retry;
        /** Called once; @error: why it was not set up, NULL where it was. */
        void (*armed)(void *userdata, const char *error);
        void *userdata;
} TrialArming;

/**
 * Before the switch: writes the way back and starts the clock of the switch under way.
 *
 * @arming: `service`, `armed` and `userdata` filled by the caller
 * @job: its modes and its time
 *
 * Returns 0, or a negative errno: nothing was set up then, and `armed` is not called.
 */
_must_check_ int trial_arm(TrialArming *arming, const JobRecord *job);

/**
 * The switch is done: its way back takes the place of an earlier one, and its time counts from now.
 * The caller goes on by trial_kept() when `armed` is called. Returns as trial_arm().
 */
_must_check_ int trial_keep(TrialArming *arming, const JobRecord *job);

/** The last step of trial_keep(). @error: what `armed` was called with; the clock from before the
 * switch then goes on. */
void trial_kept(TrialArming *arming, const JobRecord *job, const char *error);

/** The switch was refused: it has no way back, an earlier one keeps its own. */
void trial_drop(Service *service);

/** Drops what a killed service has set up for a switch that it did not begin. */
void trial_drop_leftover(Service *service);

/** Ends the setting up; what is set up stays. */
void trial_arming_done(TrialArming *arming);

/** The mode that a switch from @mode goes back to, where @mode itself waits to be confirmed: that
 * of the earlier switch. Returns whether it does. */
bool trial_back(const Service *service, const char *mode, char ret[static CONFIG_NAME_SIZE]);

/** Whether a switch is to be confirmed, be it one under way. */
bool trial_exists(const Service *service);

/** It was confirmed: nothing goes back any more. Returns 0 or a negative errno. */
int trial_end(Service *service);
