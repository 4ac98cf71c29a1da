/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps: the way back is armed where it was asked for, the mode's unit is started or reloaded,
 * its job followed, its invocation id read, its result told. One process is never in two of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "host/origin-file.h"
#include "host/state-files.h"
#include "host/units.h"
#include "idle.h"
#include "job-file.h"
#include "jobs.h"
#include "mode-check.h"
#include "options.h"
#include "trial.h"
#include "unit-job.h"
#include "view/words.h"
#include "vms.h"

struct SwitchJob {
        Service *service;
        Request *request; /* not told of the job yet; NULL: told, or an earlier instance's */
        JobRecord record;
        char holders[OPTION_WORD_SIZE]; /* in place of the mode's own key; "": as there */
        char unit[UNIT_NAME_SIZE];
        char end[32]; /* systemd's word for how the unit's job ended */
        bool done;    /* by that word */
        Refusal outcome;
        TrialArming arming;
        sd_bus_slot *slot;
};

void jobs_free(Service *service) {
        SwitchJob *job = service->switch_job;

        if (!job)
                return;
        service->switch_job = NULL;
        trial_arming_done(&job->arming);
        (void)sd_bus_slot_unref(job->slot);
        free(job);
}

static void remember(const Service *service, const JobRecord *record) {
        int r = job_file_write(&service->root, record);

        if (r < 0)
                log_warning_errno(r, "/" JOB_FILE " cannot be written: %m");
}

static void forget(SwitchJob *job) {
        Service *service = job->service;
        const JobRecord none = { .number = service->last_job };

        origin_drop(&service->root, SERVICE_ORIGIN_PATH);
        remember(service, &none);
        jobs_free(service);
        idle_touch(service);
}

/* --- the end --- */

/*
 * Whether the result is of the run that was waited for: the file was replaced since, by this unit's
 * present invocation.
 */
static bool is_own_result(const SwitchJob *job, const RunResult *result, const char *invocation) {
        JobRecord now = { 0 };

        job_mark_result(&job->service->root, &now);
        return (now.result_inode != job->record.result_inode ||
                now.result_time != job->record.result_time) &&
               invocation[0] != '\0' && strcmp(result->invocation, invocation) == 0;
}

/* The unit's program left no word: nothing had to be done, or it was not run. */
static RefusalKind judge_without_result(const SwitchJob *job, Refusal *ret) {
        if (job->done)
                return refusal_set(ret, REFUSAL_NONE, "Already in mode %s; nothing had to be done.",
                                   job->record.mode);
        if (strcmp(job->end, "timeout") == 0)
                return refusal_set(ret, REFUSAL_TIMED_OUT, "%s did not end in time.", job->unit);
        if (strcmp(job->end, "canceled") == 0)
                return refusal_set(ret, REFUSAL_FAILED,
                                   "The job of %s was cancelled by another one.", job->unit);
        return refusal_set(ret, REFUSAL_FAILED,
                           "%s failed (%s) and gave no reason; see: systemctl status %s", job->unit,
                           job->end, job->unit);
}

static void judge(const SwitchJob *job, const char *invocation, Refusal *ret) {
        Service *service = job->service;
        RunResult result = { 0 };

        ret->kind = REFUSAL_NONE;
        if (result_read(&service->root, &result) < 0 || !is_own_result(job, &result, invocation) ||
            (!job->done && result.kind == REFUSAL_NONE)) {
                (void)judge_without_result(job, ret);
                return;
        }
        (void)snprintf(service->switch_invocation, sizeof(service->switch_invocation), "%s",
                       invocation);
        (void)refusal_set(ret, result.kind, "%s", result.text);
        if (result.text[0] == '\0')
                (void)refusal_set(ret, result.kind, "%s",
                                  result.kind == REFUSAL_NONE ? "The mode is on."
                                                              : refusal_sentence(result.kind));
}

static void answer_vm(Request *request, const Refusal *outcome) {
        if (outcome->kind == REFUSAL_NONE)
                vms_switched(request);
        else
                request_refuse(request, outcome->kind, outcome->text);
}

static void tell_end(SwitchJob *job) {
        const Refusal outcome = job->outcome;
        Request *request;
        _cleanup_free_ char *text = NULL;
        Service *service = job->service;
        char path[JOB_PATH_SIZE];

        text = text_clean(outcome.text);
        (void)job_path(job->record.number, path);
        request = job->record.is_for_vm ? TAKE_PTR(job->request) : NULL;
        forget(job);
        if (request)
                answer_vm(request, &outcome);
        service_refresh(service);
        (void)sd_bus_emit_signal(service->bus, BUS_PATH, BUS_MANAGER, "JobFinished", "oss", path,
                                 outcome.kind == REFUSAL_NONE ? "done" : refusal_name(outcome.kind),
                                 text);
}

static void on_kept(void *userdata, const char *error) {
        SwitchJob *job = userdata;

        trial_kept(&job->arming, &job->record, error);
        tell_end(job);
}

static void drop_way_back(SwitchJob *job) {
        if (job->record.confirm_within > 0)
                trial_drop(job->service);
}

/* Mending its mode for a guest is nobody's word that all is well. */
static bool ends_trial(const SwitchJob *job) {
        char back[CONFIG_NAME_SIZE];

        return trial_exists(job->service) &&
               !(job->record.is_for_vm && trial_back(job->service, job->record.mode, back));
}

/* A way back that was asked for counts from now; without one, an older one is none any more. What
 * did not succeed leaves an older one alone. */
static void finish(SwitchJob *job, const char *invocation) {
        int r = 0;

        judge(job, invocation, &job->outcome);
        if (job->outcome.kind != REFUSAL_NONE) {
                drop_way_back(job);
        } else if (job->record.confirm_within > 0) {
                job->arming =
                        (TrialArming){ .service = job->service, .armed = on_kept, .userdata = job };
                r = trial_keep(&job->arming, &job->record);
                if (r >= 0)
                        return;
                trial_kept(&job->arming, &job->record, strerror(-r));
        } else if (ends_trial(job)) {
                (void)trial_end(job->service);
        }
        tell_end(job);
}

static int on_invocation(sd_bus_message *answer, void *userdata, _unused_ sd_bus_error *ret_error) {
        char invocation[64] = "";
        SwitchJob *job = userdata;
        const uint8_t *bytes;
        size_t size = 0;

        if (!sd_bus_message_is_method_error(answer, NULL) &&
            sd_bus_message_enter_container(answer, 'v', "ay") >= 0 &&
            sd_bus_message_read_array(answer, 'y', (const void **)&bytes, &size) >= 0 &&
            size * 2 < sizeof(invocation))
                for (size_t i = 0; i < size; i++)
                        (void)snprintf(invocation + 2 * i, 3, "%02x", bytes[i]);
        finish(job, invocation);
        return 0;
}

/* Only polled: JobRemoved says "done" or not, a unit that was looked at says its state. */
static bool is_done(const UnitJobEnd *end) {
        return end->done && strcmp(end->result, "inactive") != 0;
}

static void on_refused(SwitchJob *job, const UnitJobEnd *end) {
        Request *request = job->request;
        bool goes_down =
                strstr(end->name, "TransactionIsDestructive") || strstr(end->name, "ShuttingDown");

        drop_way_back(job);
        forget(job);
        request_refuse(request, goes_down ? REFUSAL_SHUTTING_DOWN : REFUSAL_FAILED,
                       goes_down ? "" : end->text);
}

static void on_ended(void *userdata, const UnitJobEnd *end) {
        SwitchJob *job = userdata;

        if (end->refused) {
                on_refused(job, end);
                return;
        }
        job->done = is_done(end);
        (void)snprintf(job->end, sizeof(job->end), "%s", end->result);
        if (systemd_get(job->service, &job->slot, job->unit, "InvocationID", on_invocation, job) <
            0)
                finish(job, "");
}

/* --- the beginning --- */

static void on_queued(void *userdata) {
        SwitchJob *job = userdata;
        Request *request = job->record.is_for_vm ? NULL : TAKE_PTR(job->request);
        sd_bus_message *reply = NULL;
        char path[JOB_PATH_SIZE];

        if (!request)
                return;
        if (sd_bus_message_new_method_return(request->call, &reply) < 0 ||
            sd_bus_message_append(reply, "o", job_path(job->record.number, path)) < 0)
                reply = sd_bus_message_unref(reply);
        request_send(request, reply);
}

static void abandon(SwitchJob *job, RefusalKind kind, const char *text) {
        Request *request = job->request;

        forget(job);
        request_refuse(request, kind, text);
}

/* A start job carries no words. */
static void leave_origin(const SwitchJob *job) {
        const Request *request = job->request;
        char reason[VM_NAME_SIZE + 64];
        int r;

        /* The user is known: of a caller that is not, polkit knows nothing either. */
        if (job->record.is_for_vm)
                (void)snprintf(reason, sizeof(reason), "for the start of virtual machine '%s'",
                               request->arguments.vm.name);
        else
                (void)snprintf(reason, sizeof(reason), "asked for over D-Bus by user %lu",
                               (unsigned long)request->caller.uid);
        r = origin_leave(&job->service->root, SERVICE_ORIGIN_PATH, job->record.mode,
                         job->record.is_for_vm ? SOURCE_VM : SOURCE_BUS, reason, job->holders);
        if (r < 0)
                log_debug("/" SERVICE_ORIGIN_PATH " cannot be written.");
}

static void start_unit(SwitchJob *job) {
        const UnitJobHandler handler = { .queued = on_queued, .ended = on_ended, .userdata = job };
        int r;

        job_mark_result(&job->service->root, &job->record);
        remember(job->service, &job->record);
        leave_origin(job);
        r = unit_job_call(job->service, "ReloadOrRestartUnit", job->unit, &handler);
        if (r >= 0)
                return;
        drop_way_back(job);
        abandon(job, REFUSAL_FAILED, "systemd cannot be asked.");
}

static void on_armed(void *userdata, const char *error) {
        SwitchJob *job = userdata;
        char text[REFUSAL_TEXT_SIZE];

        if (!error) {
                start_unit(job);
                return;
        }
        (void)snprintf(text, sizeof(text),
                       "Nothing was switched, since the way back could not be set up: %s", error);
        drop_way_back(job);
        abandon(job, REFUSAL_FAILED, text);
}

static void begin(SwitchJob *job) {
        int r;

        if (job->record.confirm_within == 0) {
                start_unit(job);
                return;
        }
        job->arming = (TrialArming){ .service = job->service, .armed = on_armed, .userdata = job };
        r = trial_arm(&job->arming, &job->record);
        if (r < 0)
                on_armed(job, strerror(-r));
}

/*
 * Out of a mode that nobody has confirmed, the way back leads where that one's does. A mode is no
 * way back from itself: then that is the fallback mode.
 */
static void fill_record(const Service *service, const Arguments *arguments, JobRecord *ret) {
        const Snapshot *now = &service->snapshot;

        *ret = (JobRecord){ .number = service->last_job,
                            .confirm_within = arguments->confirm_within };
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", arguments->mode);
        if (snapshot_has_mode(now) && !trial_back(service, now->current_mode, ret->back))
                (void)snprintf(ret->back, sizeof(ret->back), "%s", now->current_mode);
        if (strcmp(ret->back, ret->mode) == 0)
                ret->back[0] = '\0';
}

/* The bus never gives a name a second time. */
static void note_caller(const Request *request) {
        const char *sender = sd_bus_message_get_sender(request->call);
        char *to = request->service->switch_caller;
        size_t size = sizeof(request->service->switch_caller);

        if (!sender || (size_t)snprintf(to, size, "%s", sender) >= size)
                to[0] = '\0';
        request->service->switch_invocation[0] = '\0';
}

static void start_switch(Request *request, bool is_for_vm) {
        Service *service = request->service;
        Refusal refusal = { 0 };
        SwitchJob *job;

        if (service->switch_job) {
                request_refuse(request, REFUSAL_ALREADY_SWITCHING, "");
                return;
        }
        if (mode_check(&service->root, request->arguments.mode, &refusal) != REFUSAL_NONE) {
                request_refuse(request, refusal.kind, refusal.text);
                return;
        }
        service_refresh(service);
        job = calloc(1, sizeof(*job));
        if (!job) {
                request_refuse(request, REFUSAL_FAILED, "Out of memory.");
                return;
        }
        *job = (SwitchJob){ .service = service, .request = request };
        (void)memcpy(job->holders, request->arguments.holders, sizeof(job->holders));
        service->last_job++;
        note_caller(request);
        fill_record(service, &request->arguments, &job->record);
        job->record.is_for_vm = is_for_vm;
        (void)unit_name(job->record.mode, job->unit);
        service->switch_job = job;
        begin(job);
}

void jobs_switch(Request *request) {
        start_switch(request, false);
}

void jobs_switch_for_vm(Request *request, const char *mode) {
        (void)snprintf(request->arguments.mode, sizeof(request->arguments.mode), "%s", mode);
        start_switch(request, true);
}

int jobs_resume(Service *service) {
        UnitJobHandler handler = { .queued = on_queued, .ended = on_ended };
        JobRecord record = { 0 };
        SwitchJob *job;
        int r;

        r = job_file_read(&service->root, &record);
        if (r < 0 && r != -ENOENT)
                log_warning_errno(r, "/" JOB_FILE " cannot be read: %m");
        service->last_job = record.number;
        if (record.mode[0] == '\0' || record.confirm_within == 0)
                trial_drop_leftover(service);
        if (record.mode[0] == '\0')
                return 0;
        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (SwitchJob){ .service = service, .record = record };
        (void)unit_name(record.mode, job->unit);
        service->switch_job = job;
        handler.userdata = job;
        return unit_job_resume(service, job->unit, &handler);
}
