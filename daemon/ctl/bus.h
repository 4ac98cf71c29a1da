/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.vfiomode1 as vfio-modectl calls it, of this machine or, through ssh(1), of another one. All
 * of sd-bus is behind this. What is wrong comes back as a value; the callers say it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"
#include "model/refusal.h"
#include "model/vm-list.h"
#include "view/json.h"

typedef struct Bus Bus;

/** Why a call failed. */
typedef struct BusError {
        RefusalKind kind; /**< the service's refusal, or ours; REFUSAL_NONE: another failure */
        int exit_code;
        bool is_unreachable; /**< there is no bus, or no service on it, or it went away */
        char text[REFUSAL_TEXT_SIZE];
} BusError;

/** Options of the methods; what is 0, false or NULL is not sent. */
typedef struct BusOptions {
        uint64_t confirm_within; /**< us */
        const char *holders;
        unsigned tries;
        bool without_protection;
} BusOptions;

/** How a switch ended. */
typedef struct BusJob {
        RefusalKind kind; /**< REFUSAL_NONE: done */
        char text[REFUSAL_TEXT_SIZE];
} BusJob;

/** Where a failure led. */
typedef struct BusFall {
        char to[CONFIG_NAME_SIZE];
        char reason[REFUSAL_TEXT_SIZE];
} BusFall;

/** Connects; @host NULL: to this machine's bus. Returns 0; else a negative errno with @error
 * filled. */
_must_check_ int bus_open(const char *host, Bus **ret, BusError *error);

/** Disconnects; for `_cleanup_(bus_closep)`. */
void bus_closep(Bus **bus);

/** Lets the service ask the user for a password where the call alone is not allowed. */
void bus_allow_questions(Bus *bus);

/** Describe(). @ret: cleaned; the caller puts it. Returns as bus_open(). */
_must_check_ int bus_describe(Bus *bus, json_object **ret, BusError *error);

/** Calls a method that takes a mode and returns rows (PlanSwitch, CheckMode). @ret: an array of
 * objects with strings; the caller puts it. Returns as bus_open(). */
_must_check_ int bus_rows(Bus *bus, const char *method, const char *mode, json_object **ret,
                          BusError *error);

/** Calls a method that changes something and returns nothing. @mode NULL: it takes no arguments.
 * Returns as bus_open(). */
_must_check_ int bus_change(Bus *bus, const char *method, const char *mode,
                            const BusOptions *options, BusError *error);

/** Starts a switch and notes its job. Returns as bus_open(). */
_must_check_ int bus_switch(Bus *bus, const char *mode, const BusOptions *options, BusError *error);

/** BeginVM(): waits for the switch that it may lead to, at most @usec. Returns as bus_open(). */
_must_check_ int bus_begin_vm(Bus *bus, const Vm *vm, uint64_t usec, BusError *error);

/** EndVM(), with the word of @vm. Returns as bus_open(). */
_must_check_ int bus_end_vm(Bus *bus, const Vm *vm, uint64_t usec, BusError *error);

/** From now on bus_wait() is not ended by signals, which the caller has blocked. */
void bus_hold_signals(Bus *bus);

/**
 * Waits until the job of bus_switch() has finished.
 *
 * @usec: at most so long
 *
 * Returns 1; 0 where the service went away or another one came; -EINTR where a signal (SIGINT,
 * SIGTERM, SIGHUP) asked this process to end, which is still blocked then; -ETIMEDOUT; or, once,
 * the error of a bus that went away: from then on nothing is heard but signals.
 */
_must_check_ int bus_wait(Bus *bus, uint64_t usec, BusJob *ret);

/** Waits until the machine has fallen back since bus_switch(). Returns as bus_wait(). */
_must_check_ int bus_wait_fall(Bus *bus, uint64_t usec, BusFall *ret);

/** Is given what was told: an object with `event`, its name, and what vfio-modectl(1) lists for
 * that. It is cleaned, and lives as long as the call. Returns false where no more is wanted. */
typedef bool BusListener(void *userdata, const json_object *event);

/**
 * Follows what the service tells, whichever instance of it does. Asks it once, for what is so at
 * the beginning, which is the first event; all that comes later is told.
 *
 * Returns 0 where it was ended: by SIGINT or SIGTERM, by the reader of stdout, who has closed it,
 * or by @listener. Else as bus_open(). Those two and SIGPIPE stay blocked.
 */
_must_check_ int bus_watch(Bus *bus, BusListener *listener, void *userdata, BusError *error);
