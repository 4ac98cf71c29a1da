/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-mode-revert.timer starts vfio-mode-revert.service, which reads the file and does nothing
 * where there is none or the machine is in another mode. So the file is written first and removed
 * first.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "host/state-files.h"
#include "model/switch-trial.h"
#include "trial.h"
#include "unit-job.h"

#define TIMER "vfio-mode-revert.timer"
#define ERROR_EXISTS "org.freedesktop.systemd1.UnitExists"
#define RETRIES 40
#define RETRY_USEC (50 * UINT64_C(1000))
#define ACCURACY_USEC (UINT64_C(1000000))

static int write_trial(const Service *service, const JobRecord *job) {
        char text[SWITCH_TRIAL_SIZE_MAX];
        SwitchTrial trial = { 0 };
        int n;

        (void)snprintf(trial.mode, sizeof(trial.mode), "%s", job->mode);
        (void)snprintf(trial.back, sizeof(trial.back), "%s", job->back);
        trial.until = (uint64_t)time(NULL) + job->confirm_within / UINT64_C(1000000);
        n = switch_trial_format(&trial, text, sizeof(text));
        return n < 0 ? n : file_replace_at(service->root.fd, TRIAL_PATH, text, (size_t)n);
}

/* --- starting the clock --- */

static int start_timer(TrialArming *arming);

static void fail(TrialArming *arming, const char *text) {
        (void)unlinkat(arming->service->root.fd, TRIAL_PATH, 0);
        arming->armed(arming->userdata, text);
}

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        TrialArming *arming = userdata;
        int r = start_timer(arming);

        if (r < 0)
                fail(arming, strerror(-r));
        return 0;
}

/* A transient unit that was stopped is gone only when systemd comes round to it. */
static int start_later(TrialArming *arming) {
        int r;

        if (arming->tries++ == RETRIES)
                return -ETIMEDOUT;
        arming->retry = sd_event_source_disable_unref(arming->retry);
        r = sd_event_add_time_relative(arming->service->event, &arming->retry, CLOCK_MONOTONIC,
                                       RETRY_USEC, 1, on_retry, arming);
        return r < 0 ? r : 0;
}

static void on_started(void *userdata, const UnitJobEnd *end) {
        TrialArming *arming = userdata;

        if (end->done)
                arming->armed(arming->userdata, NULL);
        else if (!end->refused)
                fail(arming, end->result);
        else if (strcmp(end->name, ERROR_EXISTS) != 0 || start_later(arming) < 0)
                fail(arming, end->text);
}

static int start_timer(TrialArming *arming) {
        const UnitJobHandler handler = { .ended = on_started, .userdata = arming };
        sd_bus_message *call = NULL;
        int r;

        r = systemd_call_new(arming->service, "StartTransientUnit", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ssa(sv)a(sa(sv))", TIMER, "replace", 3,
                                          "Description", "s",
                                          "Going back unless the switch is confirmed (vfio-mode)",
                                          "TimersMonotonic", "a(st)", 1, "OnActiveSec",
                                          arming->usec, "AccuracyUSec", "t", ACCURACY_USEC, 0);
        if (r >= 0)
                r = unit_job_send(arming->service, call, TIMER, &handler);
        (void)sd_bus_message_unref(call);
        return r;
}

/* An older clock is stopped, or there was none. */
static void on_stopped(void *userdata, _unused_ const UnitJobEnd *end) {
        TrialArming *arming = userdata;
        int r = start_timer(arming);

        if (r < 0)
                fail(arming, strerror(-r));
}

int trial_arm(TrialArming *arming, const JobRecord *job) {
        const UnitJobHandler handler = { .ended = on_stopped, .userdata = arming };
        int r;

        arming->usec = job->confirm_within;
        r = write_trial(arming->service, job);
        if (r < 0)
                return r;
        r = unit_job_call(arming->service, "StopUnit", TIMER, &handler);
        if (r < 0)
                (void)unlinkat(arming->service->root.fd, TRIAL_PATH, 0);
        return r;
}

void trial_arming_done(TrialArming *arming) {
        arming->retry = sd_event_source_disable_unref(arming->retry);
}

/* --- later --- */

static void on_changed(void *userdata, const UnitJobEnd *end) {
        const char *what = userdata;

        if (!end->done)
                log_debug(TIMER " could not be %s: %s", what,
                          end->refused ? end->text : end->result);
}

void trial_restart(Service *service, const JobRecord *job) {
        const UnitJobHandler handler = { .ended = on_changed, .userdata = (void *)"restarted" };
        int r;

        r = write_trial(service, job);
        if (r >= 0)
                r = unit_job_call(service, "RestartUnit", TIMER, &handler);
        if (r < 0)
                log_warning_errno(r, "The time until the switch is taken back counts from its "
                                     "beginning: %m");
}

bool trial_exists(const Service *service) {
        return faccessat(service->root.fd, TRIAL_PATH, F_OK, 0) >= 0;
}

int trial_end(Service *service) {
        const UnitJobHandler handler = { .ended = on_changed, .userdata = (void *)"stopped" };

        if (unlinkat(service->root.fd, TRIAL_PATH, 0) < 0 && errno != ENOENT)
                return -errno;
        return unit_job_call(service, "StopUnit", TIMER, &handler);
}
