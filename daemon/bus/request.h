/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A method call that is answered later: after polkit, a job, an inspection, a write. Each is
 * answered exactly once, which frees it.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "boot/next-boot.h"
#include "model/config.h"
#include "model/inspection.h"
#include "model/refusal.h"
#include "model/vm-list.h"
#include "options.h"
#include "service.h"

/**
 * Calls that wait at the same time. No user takes the place of all others, and whoever may do
 * everything gets some more. Each may be waiting for an answer to a call of ours, of which
 * dbus-daemon lets a connection have 128 (max_replies_per_connection).
 */
#define REQUESTS_USER_MAX 24
#define REQUESTS_MAX 64
#define REQUESTS_PRIVILEGED_MAX 96

/** Who called. */
typedef struct Caller {
        uid_t uid;          /**< CALLER_UNKNOWN: it is gone already */
        bool is_privileged; /**< root, or who we are ourselves */
} Caller;

#define CALLER_UNKNOWN ((uid_t) - 1)

/** What a method was called with, checked. */
typedef struct Arguments {
        char mode[CONFIG_NAME_SIZE];
        uint64_t confirm_within;        /**< µs; 0: not asked for */
        char holders[OPTION_WORD_SIZE]; /**< in place of the mode's own key; "": as there */
        NextBootOptions next_boot;
        Vm vm; /**< with the word of EndVM */
} Arguments;

/** A method: how its arguments are read, and what it does once it may. */
typedef struct Method {
        const char *member;
        /** Reads the arguments into the request. Returns 0, or a negative errno with @error set. */
        int (*read)(Request *request, sd_bus_error *error);
        /** Does it; answers the request now or later. */
        void (*perform)(Request *request);
        bool is_immediate; /**< free for everybody and answered at once: no number of calls waits */
} Method;

struct Request {
        Service *service;
        sd_bus_message *call;
        const Method *method;
        Caller caller;
        const char *action;  /**< that polkit was asked for */
        sd_bus_slot *polkit; /**< while it is being asked */
        Arguments arguments;
        bool is_written;       /**< as in NextBootAnswer */
        bool waits_for_switch; /**< of somebody else: BeginVM */
        bool sees_all;         /**< may be told of other users' processes */
        /** Answers it out of an inspection. */
        void (*tell)(Request *request, const Inspection *inspection);
        Request *follower; /**< that waits for the same inspection */
        Request *previous, *next;
};

/** Whether one more of this caller may wait. Returns 0, or a negative errno with @error set to
 * LimitsExceeded. */
_must_check_ int request_check_room(const Service *service, const Caller *caller,
                                    sd_bus_error *error);

/** Takes a call in. Returns 0 or -ENOMEM. */
_must_check_ int request_new(Service *service, sd_bus_message *call, const Method *method,
                             const Caller *caller, Request **ret);

/** Drops it unanswered: sd-bus answers, or nobody is there any more. */
void request_free(Request *request);

/** Answers with nothing but success. */
void request_done(Request *request);

/** Answers with a message that was made for its call, and drops that. @reply NULL: out of memory.
 */
void request_send(Request *request, sd_bus_message *reply);

/** Answers with a refusal. @text: "" for the kind's sentence. */
void request_refuse(Request *request, RefusalKind kind, const char *text);

/** Answers with one of D-Bus' own errors. */
void request_fail(Request *request, const char *name, const char *text);
