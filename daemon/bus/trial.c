/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A timer starts the service of its name, which reads both files and does nothing for one that is
 * not due or whose mode the machine is not in. So a file is written before its clock is started,
 * with a time that this clock cannot come before, and removed before the clock is stopped. And a
 * clock is stopped only when another one runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "host/state-files.h"
#include "model/switch-trial.h"
#include "trial.h"
#include "unit-job.h"

#define TIMER "vfio-mode-revert.timer"
#define NEXT_TIMER "vfio-mode-revert-next.timer"
#define ERROR_EXISTS "org.freedesktop.systemd1.UnitExists"
#define SHUTDOWN "shutdown.target"
#define RETRIES 40
#define RETRY_USEC (50 * UINT64_C(1000))
#define ACCURACY_USEC (UINT64_C(1000000))

static int write_trial(const Service *service, const char *path, const JobRecord *job,
                       uint64_t due) {
        char text[SWITCH_TRIAL_SIZE_MAX];
        SwitchTrial trial = { .due = due };
        int n;

        (void)snprintf(trial.mode, sizeof(trial.mode), "%s", job->mode);
        (void)snprintf(trial.back, sizeof(trial.back), "%s", job->back);
        trial.until = (uint64_t)time(NULL) + job->confirm_within / UINT64_C(1000000);
        n = switch_trial_format(&trial, text, sizeof(text));
        return n < 0 ? n : file_replace_at(service->root.fd, path, text, (size_t)n);
}

/* --- starting a clock --- */

static int start_timer(TrialArming *arming);

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        TrialArming *arming = userdata;
        int r = start_timer(arming);

        if (r < 0)
                arming->armed(arming->userdata, strerror(-r));
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
                arming->armed(arming->userdata, end->result);
        else if (strcmp(end->name, ERROR_EXISTS) != 0 || start_later(arming) < 0)
                arming->armed(arming->userdata, end->text);
}

/*
 * Without the usual dependencies, which would have it stopped together with sysinit.target when
 * somebody isolates emergency.target; but not beyond shutdown.
 */
static int append_properties(sd_bus_message *call, uint64_t usec) {
        return sd_bus_message_append(
                call, "a(sv)", 8, "Description", "s",
                "Going back unless the switch is confirmed (vfio-mode)", "IgnoreOnIsolate", "b",
                true, "DefaultDependencies", "b", false, "Conflicts", "as", 1, SHUTDOWN, "Before",
                "as", 1, SHUTDOWN, "TimersMonotonic", "a(st)", 1, "OnActiveSec", usec,
                "AccuracyUSec", "t", ACCURACY_USEC, "RemainAfterElapse", "b", false);
}

static int start_timer(TrialArming *arming) {
        const UnitJobHandler handler = { .ended = on_started, .userdata = arming };
        sd_bus_message *call = NULL;
        int r;

        arming->due = now_usec() + arming->usec;
        r = systemd_call_new(arming->service, "StartTransientUnit", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", arming->timer, "replace");
        if (r >= 0)
                r = append_properties(call, arming->usec);
        if (r >= 0)
                r = sd_bus_message_append(call, "a(sa(sv))", 0);
        if (r >= 0)
                r = unit_job_send(arming->service, call, arming->timer, &handler);
        (void)sd_bus_message_unref(call);
        return r;
}

/* An older clock of that name is stopped, or there was none. */
static void on_stopped(void *userdata, _unused_ const UnitJobEnd *end) {
        TrialArming *arming = userdata;
        int r = start_timer(arming);

        if (r < 0)
                arming->armed(arming->userdata, strerror(-r));
}

static int start_clock(TrialArming *arming, const char *timer, uint64_t usec) {
        const UnitJobHandler handler = { .ended = on_stopped, .userdata = arming };

        arming->timer = timer;
        arming->usec = usec;
        arming->tries = 0;
        return unit_job_call(arming->service, "StopUnit", timer, &handler);
}

void trial_arming_done(TrialArming *arming) {
        arming->retry = sd_event_source_disable_unref(arming->retry);
}

/* --- stopping one --- */

static void on_clock_stopped(_unused_ void *userdata, const UnitJobEnd *end) {
        if (!end->done)
                log_debug("A timer could not be stopped: %s",
                          end->refused ? end->text : end->result);
}

static int stop_clock(Service *service, const char *timer) {
        const UnitJobHandler handler = { .ended = on_clock_stopped };

        return unit_job_call(service, "StopUnit", timer, &handler);
}

static int end_one(Service *service, const char *path, const char *timer) {
        if (unlinkat(service->root.fd, path, 0) < 0 && errno != ENOENT)
                return -errno;
        return stop_clock(service, timer);
}

/* --- a trial's life --- */

int trial_arm(TrialArming *arming, const JobRecord *job) {
        Service *service = arming->service;
        int r;

        r = write_trial(service, TRIAL_NEXT_PATH, job, now_usec() + job->confirm_within);
        if (r < 0)
                return r;
        r = start_clock(arming, NEXT_TIMER, job->confirm_within);
        if (r < 0)
                (void)unlinkat(service->root.fd, TRIAL_NEXT_PATH, 0);
        return r;
}

int trial_keep(TrialArming *arming, const JobRecord *job) {
        SwitchTrial next = { 0 };
        int r;

        /* Due when the clock that runs says so, until another one does. */
        if (trial_next_read(&arming->service->root, &next) < 0)
                next.due = 0;
        r = write_trial(arming->service, TRIAL_PATH, job, next.due);
        return r < 0 ? r : start_clock(arming, TIMER, job->confirm_within);
}

void trial_kept(TrialArming *arming, const JobRecord *job, const char *error) {
        if (error) {
                log_warning("The time until the switch is taken back counts from its beginning: %s",
                            error);
                return;
        }
        if (write_trial(arming->service, TRIAL_PATH, job, arming->due) >= 0)
                trial_drop(arming->service);
}

void trial_drop(Service *service) {
        int r = end_one(service, TRIAL_NEXT_PATH, NEXT_TIMER);

        if (r < 0)
                log_warning_errno(r, "/" TRIAL_NEXT_PATH " cannot be dropped: %m");
}

void trial_drop_leftover(Service *service) {
        if (faccessat(service->root.fd, TRIAL_NEXT_PATH, F_OK, 0) >= 0)
                trial_drop(service);
}

bool trial_back(const Service *service, const char *mode, char ret[static CONFIG_NAME_SIZE]) {
        SwitchTrial trial;

        if (trial_read(&service->root, &trial) < 0 || strcmp(trial.mode, mode) != 0)
                return false;
        (void)snprintf(ret, CONFIG_NAME_SIZE, "%s", trial.back);
        return true;
}

bool trial_exists(const Service *service) {
        return faccessat(service->root.fd, TRIAL_PATH, F_OK, 0) >= 0 ||
               faccessat(service->root.fd, TRIAL_NEXT_PATH, F_OK, 0) >= 0;
}

int trial_end(Service *service) {
        int next = end_one(service, TRIAL_NEXT_PATH, NEXT_TIMER);
        int r = end_one(service, TRIAL_PATH, TIMER);

        return r < 0 ? r : next;
}
