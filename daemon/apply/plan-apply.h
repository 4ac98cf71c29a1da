/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes the steps of a plan: the only code that writes to sysfs. Either every step succeeds or, but
 * for the way back, every function is returned to where it was.
 */
#pragma once

#include "host/root.h"
#include "model/host.h"
#include "model/plan.h"
#include "undo-log.h"
#include "writer.h"

/**
 * Called once, when the mode has its hugepages and before the first function is touched: nobody is
 * sent away for a switch that is refused for want of memory. What it stopped is its caller's to
 * start again.
 */
typedef struct PlanGate {
        RefusalKind (*pass)(void *userdata, UndoLog *undo, Refusal *refusal);
        void *userdata;
} PlanGate;

/**
 * Takes the steps in order. The `driver` link read back is the verdict on a bind, not what write(2)
 * says: drivers_probe reports success even when nothing was bound.
 *
 * Where a write does not come back, nothing more is touched, on either way: wedged.
 *
 * @writer: makes the writes; the log is told of them from now on
 * @host: the facts that the plan was made from; where a function was, for the undo log
 * @gate: NULL: none
 * @best_effort: for the way back: a failed step ends that function's steps only, nothing is undone,
 * and what the gate says is only logged
 * @ret_refusal: filled where another kind than REFUSAL_NONE is returned: the gate's,
 * module-unavailable, busy and failed, all undone and said what; half-way, where something could
 * not be
 */
RefusalKind plan_apply(Writer *writer, const Plan *plan, const Host *host, bool best_effort,
                       const PlanGate *gate, UndoLog *undo, Refusal *ret_refusal);
