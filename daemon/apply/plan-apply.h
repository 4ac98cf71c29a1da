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
 * Takes the steps in order. The `driver` link read back is the verdict on a bind, not what write(2)
 * says: drivers_probe reports success even when nothing was bound.
 *
 * Where a write does not come back, nothing more is touched, on either way: wedged.
 *
 * @writer: makes the writes; the log is told of them from now on
 * @host: the facts that the plan was made from; where a function was, for the undo log
 * @best_effort: for the way back: a failed step ends that function's steps only, and nothing is
 * undone
 * @ret_refusal: filled where another kind than REFUSAL_NONE is returned: module-unavailable and
 * failed, all undone; half-way, where something could not be
 */
RefusalKind plan_apply(Writer *writer, const Plan *plan, const Host *host, bool best_effort,
                       UndoLog *undo, Refusal *ret_refusal);
