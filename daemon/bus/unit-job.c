/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A job is known by its object path once systemd has answered. Its end is a signal; where that does
 * not come, the unit is looked at from time to time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "idle.h"
#include "unit-job.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT SYSTEMD_NAME ".Unit"
#define LOOK_USEC (5 * UINT64_C(1000000))

struct UnitJob {
        Service *service;
        UnitJobHandler handler;
        char unit[256];
        char *path;        /* of the job; NULL: systemd has not answered, or we came later */
        char *systemd;     /* the unique name that answered */
        sd_bus_slot *slot; /* of the call or question that is under way */
        sd_event_source *look;
        UnitJob *previous, *next;
};

static void job_free(UnitJob *job) {
        Service *service = job->service;

        if (job->next)
                job->next->previous = job->previous;
        if (job->previous)
                job->previous->next = job->next;
        else
                service->unit_jobs = job->next;
        (void)sd_bus_slot_unref(job->slot);
        (void)sd_event_source_disable_unref(job->look);
        free(job->path);
        free(job->systemd);
        free(job);
        idle_touch(service);
}

static void job_end(UnitJob *job, const UnitJobEnd *end) {
        const UnitJobHandler handler = job->handler;

        if (!end->done)
                log_debug("%s: %s", job->unit, end->refused ? end->text : end->result);
        /* What is told may live in the job's own answer: it goes last. */
        handler.ended(handler.userdata, end);
        job_free(job);
}

int systemd_call_new(Service *service, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(service->bus, ret, SYSTEMD_NAME, SYSTEMD_PATH,
                                              SYSTEMD_MANAGER, method);
}

int systemd_get(Service *service, sd_bus_slot **slot, const char *unit, const char *property,
                sd_bus_message_handler_t callback, void *userdata) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(SYSTEMD_PATH "/unit", unit, &path);
        if (r < 0)
                return r;
        return sd_bus_call_method_async(service->bus, slot, SYSTEMD_NAME, path,
                                        "org.freedesktop.DBus.Properties", "Get", callback,
                                        userdata, "ss", SYSTEMD_UNIT, property);
}

/* --- asking for the unit's state --- */

static void set_clock(UnitJob *job) {
        (void)sd_event_source_set_time_relative(job->look, LOOK_USEC);
        (void)sd_event_source_set_enabled(job->look, SD_EVENT_ONESHOT);
}

static void look_later(UnitJob *job) {
        job->slot = sd_bus_slot_unref(job->slot);
        set_clock(job);
}

static int on_active_state(sd_bus_message *answer, void *userdata,
                           _unused_ sd_bus_error *ret_error) {
        const char *state = NULL;
        UnitJob *job = userdata;

        if (sd_bus_message_is_method_error(answer, NULL) ||
            sd_bus_message_read(answer, "v", "s", &state) < 0) {
                look_later(job);
                return 0;
        }
        /* A oneshot unit that was done and stays is active; one that does not stay is inactive. */
        job_end(job, &(UnitJobEnd){ .done = strcmp(state, "active") == 0 ||
                                            strcmp(state, "inactive") == 0,
                                    .result = state });
        return 0;
}

/* From now on its end is known by its signal. */
static int follow(UnitJob *job, const char *path, const char *systemd) {
        job->path = strdup(path);
        job->systemd = systemd ? strdup(systemd) : NULL;
        return job->path && job->systemd ? 0 : -ENOMEM;
}

static int on_job(sd_bus_message *answer, void *userdata, _unused_ sd_bus_error *ret_error) {
        UnitJob *job = userdata;
        const char *path;
        uint32_t id = 0;
        int r;

        r = sd_bus_message_is_method_error(answer, NULL)
                    ? -EIO
                    : sd_bus_message_read(answer, "v", "(uo)", &id, &path);
        if (r >= 0 && id != 0 && !job->path)
                r = follow(job, path, sd_bus_message_get_sender(answer));
        if (r < 0 || id != 0) {
                look_later(job);
                return 0;
        }
        job->slot = sd_bus_slot_unref(job->slot);
        if (systemd_get(job->service, &job->slot, job->unit, "ActiveState", on_active_state, job) <
            0)
                look_later(job);
        return 0;
}

static int on_look(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        UnitJob *job = userdata;

        if (job->slot || systemd_get(job->service, &job->slot, job->unit, "Job", on_job, job) < 0)
                set_clock(job);
        return 0;
}

/* --- jobs --- */

static int on_answer(sd_bus_message *answer, void *userdata, _unused_ sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(answer);
        const char *path = NULL;
        UnitJob *job = userdata;
        int r;

        /* No answer is no refusal: systemd may have been busy, or was re-executed meanwhile. */
        if (error && !sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY)) {
                job_end(job, &(UnitJobEnd){ .refused = true,
                                            .result = "refused",
                                            .name = error->name,
                                            .text = error->message ? error->message : "" });
                return 0;
        }
        r = error ? -ETIMEDOUT : sd_bus_message_read(answer, "o", &path);
        if (r >= 0)
                r = follow(job, path, sd_bus_message_get_sender(answer));
        if (r < 0)
                log_warning_errno(r, "%s: systemd's answer cannot be used, looking: %m", job->unit);
        look_later(job);
        if (job->handler.queued)
                job->handler.queued(job->handler.userdata);
        return 0;
}

/*
 * Anybody may send us a signal that looks like systemd's: the bus filters by sender what it sends
 * to all, and not what is sent to us alone. An answer can only come from who was asked.
 */
static bool is_job(const UnitJob *job, sd_bus_message *signal, const char *path) {
        const char *sender = sd_bus_message_get_sender(signal);

        return job->path && job->systemd && sender && strcmp(job->path, path) == 0 &&
               strcmp(job->systemd, sender) == 0;
}

static int on_removed(sd_bus_message *signal, void *userdata, _unused_ sd_bus_error *ret_error) {
        const char *path, *unit, *result;
        Service *service = userdata;
        uint32_t id;

        if (sd_bus_message_read(signal, "uoss", &id, &path, &unit, &result) < 0)
                return 0;
        for (UnitJob *job = service->unit_jobs, *next; job; job = next) {
                next = job->next;
                if (is_job(job, signal, path)) {
                        job_end(job, &(UnitJobEnd){ .done = strcmp(result, "done") == 0,
                                                    .result = result });
                        /* What that led to may have changed the list. */
                        next = service->unit_jobs;
                }
        }
        return 0;
}

static int job_new(Service *service, const char *unit, const UnitJobHandler *handler,
                   UnitJob **ret) {
        UnitJob *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return -ENOMEM;
        *job = (UnitJob){ .service = service, .handler = *handler, .next = service->unit_jobs };
        (void)snprintf(job->unit, sizeof(job->unit), "%s", unit);
        if (job->next)
                job->next->previous = job;
        service->unit_jobs = job;
        r = sd_event_add_time_relative(service->event, &job->look, CLOCK_MONOTONIC, LOOK_USEC, 0,
                                       on_look, job);
        if (r < 0) {
                job_free(job);
                return r;
        }
        *ret = job;
        return 0;
}

/* Each time: systemd forgets it when it is re-executed; being told twice costs nothing. */
static void subscribe(Service *service) {
        sd_bus_message *call = NULL;

        if (systemd_call_new(service, "Subscribe", &call) >= 0 &&
            sd_bus_message_set_expect_reply(call, false) >= 0)
                (void)sd_bus_send(service->bus, call, NULL);
        (void)sd_bus_message_unref(call);
}

int unit_job_send(Service *service, sd_bus_message *call, const char *unit,
                  const UnitJobHandler *handler) {
        UnitJob *job;
        int r;

        r = job_new(service, unit, handler, &job);
        if (r < 0)
                return r;
        subscribe(service);
        r = sd_bus_call_async(service->bus, &job->slot, call, on_answer, job, 0);
        if (r < 0)
                job_free(job);
        return r < 0 ? r : 0;
}

int unit_job_call(Service *service, const char *method, const char *unit,
                  const UnitJobHandler *handler) {
        sd_bus_message *call = NULL;
        int r;

        r = systemd_call_new(service, method, &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", unit, "replace");
        if (r >= 0)
                r = unit_job_send(service, call, unit, handler);
        (void)sd_bus_message_unref(call);
        return r;
}

int unit_job_resume(Service *service, const char *unit, const UnitJobHandler *handler) {
        UnitJob *job;
        int r;

        r = job_new(service, unit, handler, &job);
        if (r < 0)
                return r;
        subscribe(service);
        return sd_event_source_set_time_relative(job->look, 0);
}

int unit_jobs_watch(Service *service) {
        return sd_bus_match_signal_async(service->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH,
                                         SYSTEMD_MANAGER, "JobRemoved", on_removed, NULL, service);
}

void unit_jobs_free(Service *service) {
        while (service->unit_jobs)
                job_free(service->unit_jobs);
}
