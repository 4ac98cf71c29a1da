/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a device node of a function open that is to leave the host, and what is done about it
 * before it leaves. Pure; host/holders and host/in-use look.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "host.h"
#include "plan.h"
#include "refusal.h"
#include "session.h"

#define HOLDERS_MAX 64
#define HOLDER_CGROUP_MAX 8192

/** A process, and a function that it has a node of open. */
typedef struct NodeHolder {
        PciAddress address;
        int pid;
        char command[16 + 1];        /**< /proc/PID/comm */
        char unit[CONFIG_UNIT_SIZE]; /**< the system's unit; "": of a user, or of no unit */
        char session[16];            /**< the number of the login session; "": in none */
        char user[32 + 1];           /**< whose session or user manager; "": nobody's */
        bool is_kept; /**< never ended: PID 1, who runs us, us, and systemd's own that let go by
                         themselves */
        bool draws;   /**< it has a card's node open, not only one to render with */
        char user_unit[CONFIG_UNIT_SIZE]; /**< of the user's manager; "": in none */
} NodeHolder;

typedef struct Holders {
        NodeHolder list[HOLDERS_MAX]; /**< a row for each process and function */
        size_t n;
        size_t n_more; /**< those that found no place */
} Holders;

/** What a plan to let go is made from. */
typedef struct InUse {
        Holders holders;
        Holders guests;   /**< those that have a VFIO node open and are to be ended */
        uint32_t running; /**< bit n: the mode's stop_units[n] runs */
        char ids[CONFIG_STOP_UNITS_MAX][CONFIG_UNIT_SIZE]; /**< their names without an alias */
        const WaitingDriver *driver; /**< that a function is taken from; NULL: none such */
        PciAddress driver_of;        /**< that function */
        uint32_t driver_running;     /**< bit n: driver->units[n] runs */
        char ending[1024]; /**< units that stop with the unit of the mode before, blanks between */
        Sessions sessions; /**< known where a display leaves and somebody may have to end */
} InUse;

/**
 * Reads what /proc/PID/cgroup says: the system's unit, or the id of the user with the session or
 * the unit of his manager.
 *
 * @text: the file, NUL-terminated
 * @ret: its units, session and user are set; the user is the bare user id
 */
void in_use_parse_cgroup(const char *text, NodeHolder *ret);

/** Whether the plan takes a function from a host driver. */
bool in_use_takes_from_host(const Plan *plan, const Host *host);

/**
 * Puts what has to be stopped and ended in front of a plan: the guests, the mode's units that run,
 * then what `how` says of the holders.
 *
 * @mode: of the plan
 * @is_fallback: the way back, which is not refused; its holders are left alone, its guests are not
 *
 * Returns REFUSAL_NONE, or REFUSAL_BUSY with the holders named, as far as they fit, and counted
 * for whoever may not know their names; or as sessions_plan().
 */
RefusalKind in_use_plan(const InUse *in_use, const ConfigMode *mode, ConfigHolders how,
                        bool is_fallback, Plan *plan, Refusal *refusal);

/** The same refusal after everything was tried. Returns REFUSAL_NONE where nobody is left. */
RefusalKind in_use_refuse_rest(const InUse *in_use, ConfigHolders how, Refusal *refusal);

/** Writes what has to let go as a person reads it, such as "stop gdm.service, which uses
 * 0000:01:00.0". Returns @buffer. */
const char *plan_stop_format(const PlanStop *stop, char buffer[static PLAN_STOP_TEXT_SIZE]);

/** Its name in JSON and on D-Bus: stop-unit, end-session, stop-holder, kill-holder, end-guest. */
const char *plan_stop_name(PlanStopKind kind);

#define PLAN_STOP_OBJECT_SIZE CONFIG_UNIT_SIZE

/** Writes what lets go: a unit, a session's id, a process's number. Returns @buffer. */
const char *plan_stop_object(const PlanStop *stop, char buffer[static PLAN_STOP_OBJECT_SIZE]);
