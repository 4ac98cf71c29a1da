/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From STOPPING=1 on systemd queues the activations that come for the next instance; from
 * NameOwnerChanged on the bus does.
 */
#include <errno.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "idle.h"
#include "request.h"

/*
 * A password that is being typed does not keep systemd from stopping us; nor, where we leave by
 * ourselves, everybody else from the next instance, for which the bus waits 25 s. What is being
 * done for a caller does, until shortly before systemd ends us (TimeoutStopSec=90s): nobody
 * else would answer that call.
 */
#define LAST_ANSWERS_USEC (10 * UINT64_C(1000000))
#define LAST_WORK_USEC (80 * UINT64_C(1000000))

/* A switch that nobody asked us for counts, too: its end, which may be a fall, is to be told. What
 * vfio-moded.path would start us for is missed by it until we are gone. */
static bool is_busy(const Service *service) {
        return service->requests || service->unit_jobs || service->switch_job || service->work ||
               snapshot_is_switching(&service->snapshot);
}

static void end_if_answered(Service *service) {
        if (service->is_released && !service->requests)
                (void)sd_event_exit(service->event, 0);
}

static int on_owner_changed(sd_bus_message *signal, void *userdata,
                            _unused_ sd_bus_error *ret_error) {
        const char *name, *old_owner, *new_owner, *own = NULL;
        const char *sender = sd_bus_message_get_sender(signal);
        Service *service = userdata;

        /* The match alone does not keep out what is sent to us by somebody else. */
        if (!sender || strcmp(sender, "org.freedesktop.DBus") != 0)
                return 0;
        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0 ||
            sd_bus_get_unique_name(service->bus, &own) < 0)
                return 0;
        if (!service->is_leaving || strcmp(old_owner, own) != 0)
                return 0;
        service->is_released = true;
        end_if_answered(service);
        return 0;
}

static int on_released(sd_bus_message *answer, void *userdata, _unused_ sd_bus_error *ret_error) {
        Service *service = userdata;

        /* The signal is what counts; without the name there will be none. */
        if (sd_bus_message_is_method_error(answer, NULL)) {
                service->is_released = true;
                end_if_answered(service);
        }
        return 0;
}

static int on_far_too_long(_unused_ sd_event_source *source, _unused_ uint64_t now,
                           void *userdata) {
        const Service *service = userdata;

        return sd_event_exit(service->event, 0);
}

static int on_too_long(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        Service *service = userdata;

        for (Request *request = service->requests, *next; request; request = next) {
                next = request->next;
                if (request->polkit)
                        request_refuse(request, REFUSAL_TIMED_OUT,
                                       "The service ends and cannot wait any longer; call again.");
        }
        /* Those that are left are being done, be it that nothing is under way this very moment. */
        if (service->requests)
                return 0;
        return sd_event_exit(service->event, 0);
}

void idle_leave(Service *service) {
        if (service->is_leaving)
                return;
        service->is_leaving = true;
        (void)sd_event_add_time_relative(service->event, NULL, CLOCK_MONOTONIC, LAST_ANSWERS_USEC,
                                         0, on_too_long, service);
        (void)sd_event_add_time_relative(service->event, NULL, CLOCK_MONOTONIC, LAST_WORK_USEC, 0,
                                         on_far_too_long, service);
        (void)sd_notify(false, "STOPPING=1");
        if (sd_bus_release_name_async(service->bus, NULL, BUS_NAME, on_released, service) < 0)
                (void)sd_event_exit(service->event, 0);
}

static int on_idle(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        Service *service = userdata;

        if (is_busy(service)) {
                idle_touch(service);
                return 0;
        }
        log_debug("Nobody has called for a while.");
        idle_leave(service);
        return 0;
}

void idle_touch(Service *service) {
        if (service->is_leaving) {
                end_if_answered(service);
                return;
        }
        if (!service->idle_timer)
                return;
        (void)sd_event_source_set_time_relative(service->idle_timer, service->idle_usec);
        (void)sd_event_source_set_enabled(service->idle_timer, SD_EVENT_ONESHOT);
}

int idle_start(Service *service) {
        int r;

        r = sd_bus_add_match(service->bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" BUS_NAME "'",
                             on_owner_changed, service);
        if (r < 0 || service->idle_usec == 0)
                return r;
        return sd_event_add_time_relative(service->event, &service->idle_timer, CLOCK_MONOTONIC,
                                          service->idle_usec, service->idle_usec / 10 + 1, on_idle,
                                          service);
}
