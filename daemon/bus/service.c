/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts the parts together and runs the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "announce.h"
#include "base/file.h"
#include "base/log.h"
#include "boot/boot-history.h"
#include "device.h"
#include "idle.h"
#include "inspect.h"
#include "jobs.h"
#include "log-control.h"
#include "manager.h"
#include "request.h"
#include "service.h"
#include "unit-job.h"
#include "view/words.h"
#include "vms.h"
#include "watch.h"
#include "work.h"

/* A switch writes several files in a few milliseconds. */
#define REST_USEC (30 * UINT64_C(1000))

void service_refresh(Service *service) {
        _cleanup_free_ Snapshot *next = must_have(calloc(1, sizeof(*next)));
        _cleanup_free_ Snapshot *before = must_have(calloc(1, sizeof(*before)));
        int r;

        r = snapshot_read(&service->root, &service->snapshot, next);
        if (r < 0) {
                log_warning_errno(r, "The machine cannot be read: %m");
                return;
        }
        if (service->switch_job)
                snapshot_set_switching(next);
        if (service->is_named)
                r = device_tell_removed(service, next);
        *before = service->snapshot;
        service->snapshot = *next;
        if (r >= 0 && service->is_named)
                r = manager_tell_changes(service, before);
        if (r >= 0 && service->is_named)
                r = device_tell_changes(service, before);
        if (r < 0)
                log_warning_errno(r, "A change cannot be told: %m");
        watch_update(service);
        announce(service);
        vms_go_on(service);
}

static int on_rest(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        service_refresh(userdata);
        return 0;
}

void service_refresh_soon(Service *service) {
        int enabled = SD_EVENT_OFF, r;

        /* A clock that runs is not set back: whoever writes all the time does not keep it from us.
         */
        if (service->refresh_timer &&
            sd_event_source_get_enabled(service->refresh_timer, &enabled) >= 0 &&
            enabled != SD_EVENT_OFF)
                return;
        service->refresh_timer = sd_event_source_disable_unref(service->refresh_timer);
        r = sd_event_add_time_relative(service->event, &service->refresh_timer, CLOCK_MONOTONIC,
                                       REST_USEC, 1, on_rest, service);
        if (r < 0)
                service_refresh(service);
}

/* --- what comes in --- */

static bool is_question(sd_bus_message *message) {
        static const char *const members[] = { "Get", "GetAll", "GetManagedObjects" };
        const char *path = sd_bus_message_get_path(message);
        const char *member = sd_bus_message_get_member(message);

        if (!path || !member || strncmp(path, BUS_PATH, strlen(BUS_PATH)) != 0)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (strcmp(member, members[i]) == 0)
                        return true;
        return false;
}

/* Comes before all others; lets every message pass. */
static int on_message(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error) {
        Service *service = userdata;

        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        idle_touch(service);
        if (is_question(message))
                service_refresh(service);
        return 0;
}

static int on_signal(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *info,
                     void *userdata) {
        idle_leave(userdata);
        return 0;
}

/* --- the beginning --- */

static int set_up_loop(Service *service) {
        sigset_t signals;
        int r;

        r = sd_event_new(&service->event);
        if (r < 0)
                return log_error_errno(r, "There is no event loop: %m");
        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return log_error_errno(errno, "Signals cannot be blocked: %m");
        r = sd_event_add_signal(service->event, NULL, SIGTERM, on_signal, service);
        if (r >= 0)
                r = sd_event_add_signal(service->event, NULL, SIGINT, on_signal, service);
        if (r >= 0)
                r = sd_event_set_watchdog(service->event, true);
        return r < 0 ? log_error_errno(r, "The event loop cannot be set up: %m") : 0;
}

static int set_up_bus(Service *service) {
        int r;

        r = sd_bus_open_system(&service->bus);
        if (r < 0)
                return log_error_errno(r, "There is no system bus: %m");
        r = sd_bus_set_exit_on_disconnect(service->bus, true);
        if (r >= 0)
                r = sd_bus_attach_event(service->bus, service->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_filter(service->bus, NULL, on_message, service);
        if (r >= 0)
                r = manager_export(service);
        if (r >= 0)
                r = device_export(service);
        if (r >= 0)
                r = log_control_export(service);
        if (r >= 0)
                r = unit_jobs_watch(service);
        if (r >= 0)
                r = idle_start(service);
        return r < 0 ? log_error_errno(r, "The objects cannot be put on the bus: %m") : 0;
}

/* What changed while the service was not running: there is no snapshot from before to compare. */
static void tell_all(Service *service) {
        int r = manager_tell_changes(service, NULL);

        if (r >= 0)
                r = device_tell_changes(service, NULL);
        if (r < 0)
                log_warning_errno(r, "The properties cannot be told: %m");
}

/* Only with the name can signals be sent that anybody would know us by. */
static int take_name(Service *service) {
        int r;

        r = sd_bus_request_name(service->bus, BUS_NAME, 0);
        if (r < 0)
                return log_error_errno(r, "The name " BUS_NAME " cannot be had: %m");
        service->is_named = true;
        idle_touch(service); /* that it took a while to get here is nobody's idleness */
        tell_all(service);
        announce(service);
        (void)sd_notify(false, "READY=1");
        return 0;
}

static int set_up(Service *service) {
        int r;

        if (mkdirat(service->root.fd, SERVICE_DIR, 0755) < 0 && errno != EEXIST)
                log_warning_errno(errno, "/" SERVICE_DIR " cannot be made: %m");
        file_sweep_at(service->root.fd, SERVICE_DIR);
        file_sweep_at(service->root.fd, STATE_DIR);
        r = set_up_loop(service);
        if (r >= 0)
                r = set_up_bus(service);
        if (r < 0)
                return r;
        r = jobs_resume(service);
        if (r < 0)
                return log_error_errno(r, "A switch's job cannot be followed: %m");
        service_refresh(service);
        return take_name(service);
}

int service_new(Root *root, uint64_t idle_usec, Service **ret) {
        _cleanup_(service_freep) Service *service = must_have(calloc(1, sizeof(*service)));
        int r;

        service->root = *root;
        *root = ROOT_NULL;
        service->idle_usec = idle_usec;
        service->log_level = LOG_INFO;
        r = set_up(service);
        if (r >= 0)
                *ret = TAKE_PTR(service);
        return r;
}

int service_run(Service *service) {
        int r;

        r = sd_event_loop(service->event);
        return r < 0 ? log_error_errno(r, "The event loop failed: %m") : r;
}

void service_freep(Service **service) {
        Service *s = *service;

        if (!s)
                return;
        *service = NULL;
        s->is_leaving = true; /* the last requests are dropped, which is nothing to wait for */
        work_free(s);
        inspect_free(s);
        unit_jobs_free(s);
        jobs_free(s);
        while (s->requests)
                request_free(s->requests);
        watch_free(s);
        (void)sd_event_source_disable_unref(s->refresh_timer);
        (void)sd_event_source_disable_unref(s->idle_timer);
        (void)sd_bus_flush_close_unref(s->bus);
        (void)sd_event_unref(s->event);
        root_close(&s->root);
        free(s);
}
