/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has everybody let go of what leaves the host: the mode's stop-units and what uses a function, by
 * the mode's `holders`.
 */
#pragma once

#include "host/in-use.h"
#include "host/units.h"
#include "situation.h"
#include "undo-log.h"

typedef struct LetGo {
        Situation *now;
        ConfigHolders how;
        InUse in_use; /**< as it was seen last */
} LetGo;

/**
 * Looks who is in the way and puts what is to stop and to end in front of the plan. Who only has a
 * node open for a moment is waited for, 3 s at most. Changes nothing.
 *
 * On the way to the fallback mode nobody is in the way: what is used stays with the host, and a new
 * plan says so.
 *
 * @instances: those of vfio-mode@.service; what is bound to one that will be stopped ends with it
 * @plan: as situation_plan() made it
 *
 * Returns as in_use_plan(); REFUSAL_FAILED where it cannot be looked.
 */
RefusalKind let_go_plan(LetGo *who, const UnitInstance *instances, int n_instances, Plan *plan,
                        Refusal *refusal);

/** Whether the switch stops this instance: not one that is deactivating, whose ExecStop waits. */
bool let_go_is_to_be_stopped(const Situation *now, const UnitInstance *instance);

/** Gives the units that are bound to a mode's unit the time to stop with it that their own units
 * give them, which our start job knows nothing of, and says in the status who is waited for; also
 * where it cannot be asked who they are. */
void let_go_wait_longer(const char *mode);

/**
 * Stops and ends what the plan names, and waits until nobody is left, whoever came since: 3 s, or 8
 * s with CONFIG_HOLDERS_KILL, where SIGKILL follows SIGTERM after 5 s. Units are in the undo log
 * before they are stopped.
 *
 * Returns REFUSAL_NONE; REFUSAL_BUSY where somebody is left; REFUSAL_FAILED. Whatever was stopped
 * stays so for the caller to start again: let_go_start_again().
 */
RefusalKind let_go(LetGo *who, const Plan *plan, UndoLog *undo, Refusal *refusal);

/** Queues the start of units, the last one first, but for those that @stays says stay stopped. */
void let_go_start_again(const Root *root, const RunState *stopped,
                        bool (*stays)(const StoppedUnit *unit, const void *userdata),
                        const void *userdata);

/** A splash screen from the initramfs has the card open: it is told to end where a display leaves,
 * and is no holder to refuse for. */
void let_go_plymouth(const Situation *now, const Plan *plan);
