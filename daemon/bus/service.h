/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-moded: one process, one event loop, one context. Nothing that a caller asks for is waited
 * for: units are started and their jobs followed, what has to reach the disk is written by a child.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "host/root.h"
#include "snapshot.h"

#define BUS_NAME "org.vfiomode1"
#define BUS_PATH "/org/vfiomode1"
#define BUS_MANAGER BUS_NAME ".Manager"
#define BUS_DEVICE BUS_NAME ".Device"
#define BUS_DEVICES_PATH BUS_PATH "/device"

/** What the service remembers from one start to the next; not from boot to boot. */
#define SERVICE_DIR "run/vfio-moded"

#define SERVICE_IDLE_USEC (30 * UINT64_C(1000000))

typedef struct Inspecting Inspecting;
typedef struct Request Request;
typedef struct SwitchJob SwitchJob;
typedef struct UnitJob UnitJob;

/** A directory that is watched, once it is there. */
typedef struct Watch {
        char path[256];     /**< below the root; "": none */
        const char *prefix; /**< only what begins so; NULL: all */
        sd_event_source *source;
        struct Service *service;
} Watch;

#define WATCHES_MAX 8

/** Everything. */
typedef struct Service {
        Root root;
        sd_event *event;
        sd_bus *bus;
        uint64_t idle_usec; /**< 0: never exits by itself */
        int log_level;

        Snapshot snapshot; /**< what was last said of the machine */
        Watch watches[WATCHES_MAX];
        sd_event_source *writer; /**< the end of a process that is stuck in the kernel */
        int writer_pid;          /**< its; 0: none is waited for */
        sd_event_source *refresh_timer;
        sd_event_source *idle_timer;

        Request *requests; /**< calls that are not answered yet */
        size_t n_requests;
        UnitJob *unit_jobs; /**< systemd's jobs that are waited for */
        Inspecting *inspections;
        SwitchJob *switch_job;      /**< NULL: no switch that came by us is under way */
        uint64_t last_job;          /**< the number of the last one */
        char switch_caller[32];     /**< the bus' name for who asked for it; "": not known */
        char switch_invocation[64]; /**< of the run that this led to; "": none that left a result */
        struct Work *work; /**< what a child does, then what it will do; first in, first out */
        bool is_work_held; /**< nothing more of that is begun for now */

        bool is_going_on; /**< with calls that had to wait */
        bool is_named;    /**< the name is ours, so that signals can be sent */
        bool is_leaving;  /**< the name is being given back */
        bool is_released; /**< it was: the last calls are answered, and that is it */
} Service;

/**
 * Puts the service on the system bus.
 *
 * @root: is the service's from now on, also where this fails
 * @ret: the caller ends it with service_freep(); untouched on failure
 *
 * Returns 0 or a negative errno, which was logged.
 */
_must_check_ int service_new(Root *root, uint64_t idle_usec, Service **ret);

/** Serves until it is idle or told to end. Returns 0 or a negative errno, which was logged. */
_must_check_ int service_run(Service *service);

/** Ends what is left and frees it; for `_cleanup_(service_freep)`. */
void service_freep(Service **service);

/** Looks at the machine anew, and tells what has changed since. */
void service_refresh(Service *service);

/** Looks at the machine anew as soon as what changes it has come to rest. */
void service_refresh_soon(Service *service);
