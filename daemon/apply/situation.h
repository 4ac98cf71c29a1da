/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a switch starts from: the configuration that counts, the mode before, what was moved, and
 * what the kernel says.
 */
#pragma once

#include "host/root.h"
#include "model/plan.h"

/** The fallback mode where no configuration says otherwise (vfio-mode.ini(5), fallback-mode). */
#define DEFAULT_FALLBACK_MODE "host"

typedef struct Situation {
        const Root *root;
        const char *mode; /**< the target */
        bool early;       /**< before udev's coldplug */
        bool mend_only;   /**< go by the accepted configuration whatever /etc says */
        bool ends_guests; /**< who has a VFIO node open will be ended before anything is taken */
        bool is_fallback; /**< the target is the fallback mode; known once the configuration is
                             loaded */
        Config config;
        RunWriter writer;     /**< of a switch that was cut short: it may be in the kernel still */
        bool has_found_stuck; /**< the writer: nobody had given it up yet */
        RunState state;       /**< the mode before, and every function that is not at home */
        RunState before; /**< of a switch that was cut short: what its undo goes back to; else only
                            the units that are stopped */
        Host host;
} Situation;

/**
 * Reads the mode before and what was moved, also by a switch that was cut short. What is damaged is
 * said in the log and left out: the plan is made from what the kernel says.
 *
 * Returns 0 or -ENOMEM.
 */
_must_check_ int situation_read_state(Situation *now);

/** The mode that the switch leaves; "": none, also where a switch from the one that the state has
 * was cut short. */
const char *situation_mode_before(const Situation *now);

/**
 * Whether a write of an earlier switch is stuck; needs the state, and comes before everything that
 * looks at a device. As wedged_check(), but one to a pool of hugepages is none to the fallback
 * mode.
 */
RefusalKind situation_check_writer(Situation *now, bool wait, Refusal *refusal);

/**
 * Loads the configuration that counts for the target; needs the state. On the way to the fallback
 * mode it is the copy of what was accepted, else /etc's, else none at all.
 */
RefusalKind situation_load_config(Situation *now, Refusal *refusal);

/** The fallback mode's name by the accepted configuration, else /etc's, else the default. */
void situation_fallback_mode(const Root *root, char ret[static CONFIG_NAME_SIZE]);

/** Reads what the kernel says; needs the configuration and the state. */
RefusalKind situation_scan(Situation *now, Refusal *refusal);

/** Makes the plan for the target. Returns as host_plan_make(). */
RefusalKind situation_plan(const Situation *now, Plan *ret, Refusal *refusal);

/** Adds a home to a state; one that does not fit is said in the log. */
void situation_keep_home(RunState *state, const HomeFunction *home);

/** Adds the modules that @from has; those that do not fit are said in the log. */
void situation_keep_modules(RunState *state, const RunState *from);

/** The same for a unit that was stopped. */
void situation_keep_unit(RunState *state, const StoppedUnit *unit);

/** Whether the machine is to be rebooted where a device cannot be had back on the way of this
 * switch: a mode has on-wedged = reboot. */
bool situation_reboots(const Situation *now);
