/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks systemd for a job and follows it to its end, over the bus and without waiting. A job whose
 * end was missed (systemd was re-executed, we were started in the middle) is found out by asking
 * for the unit's state.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "service.h"

/** How a job ended. */
typedef struct UnitJobEnd {
        bool done;          /**< as systemd says */
        bool refused;       /**< it was not even queued; `text` says why, `name` is D-Bus' error */
        const char *result; /**< systemd's word: done, failed, timeout, canceled, dependency, ... */
        const char *name;
        const char *text;
} UnitJobEnd;

/** Whom to tell. */
typedef struct UnitJobHandler {
        void (*queued)(void *userdata); /**< may be NULL; not called for one that was refused */
        void (*ended)(void *userdata, const UnitJobEnd *end); /**< called once, last */
        void *userdata;
} UnitJobHandler;

/** Looks out for the ends of jobs. Returns 0 or a negative errno. */
_must_check_ int unit_jobs_watch(Service *service);

/** Calls a method of systemd's manager that takes a unit and "replace": StartUnit, StopUnit,
 * RestartUnit, ReloadOrRestartUnit. Returns 0, or a negative errno: the handler is not called. */
_must_check_ int unit_job_call(Service *service, const char *method, const char *unit,
                               const UnitJobHandler *handler);

/** Sends any call of systemd's manager that answers with a job for @unit. Returns as
 * unit_job_call(). */
_must_check_ int unit_job_send(Service *service, sd_bus_message *call, const char *unit,
                               const UnitJobHandler *handler);

/** Goes on following what a unit is doing. Returns as unit_job_call(). */
_must_check_ int unit_job_resume(Service *service, const char *unit, const UnitJobHandler *handler);

/** Makes a call for a method of systemd's manager. Returns 0 or a negative errno. */
_must_check_ int systemd_call_new(Service *service, const char *method, sd_bus_message **ret);

/**
 * Asks for one property of a unit.
 *
 * @slot: the caller drops it to be told no more
 */
_must_check_ int systemd_get(Service *service, sd_bus_slot **slot, const char *unit,
                             const char *property, sd_bus_message_handler_t callback,
                             void *userdata);

/** Drops all jobs that are followed; nobody is told. */
void unit_jobs_free(Service *service);
