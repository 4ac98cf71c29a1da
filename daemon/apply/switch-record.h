/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is left of a switch: the status file, the configuration that was accepted, the marks for
 * udev's rule; and which of the stopped units are started again.
 */
#pragma once

#include "model/plan.h"
#include "model/run-state.h"
#include "situation.h"
#include "switch.h"

/** A switch whose steps were taken, as far as they could be. Borrowed. */
typedef struct SwitchRecord {
        const SwitchRequest *request;
        const Situation *now; /**< with the state before */
        const Plan *plan;     /**< the one that was tried last */
        const Refusal *refusal;
} SwitchRecord;

/**
 * Writes how it ended to /run/vfio-mode.
 *
 * @undo: what the undo log says now: where functions and pages were, which units ran
 * @outcome: REFUSAL_NONE, REFUSAL_HALF_WAY, REFUSAL_WEDGED
 *
 * Returns 0, or a negative errno, which was logged, of the second try; then there is no status.
 */
int switch_record_write(const SwitchRecord *s, const RunState *undo, RefusalKind outcome);

/**
 * Writes what is new of a switch that had nothing to do: a configuration that was accepted, and
 * that somebody has chosen the mode.
 *
 * Returns whether the mode is held from now on.
 */
bool switch_record_again(const SwitchRecord *s);

/**
 * Queues the start of the units that were stopped and that nothing keeps away any more. Nothing
 * where nothing was stopped, and on another root than the running system's.
 *
 * @kind: as above; any other was undone, and then the status before says what stays stopped
 */
void switch_record_start_again(const SwitchRecord *s, const RunState *undo, RefusalKind kind);
