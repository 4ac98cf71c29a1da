/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A write that does not come back from the kernel: what is said of it, and that nothing is switched
 * until it has.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"
#include "model/refusal.h"
#include "model/run-state.h"
#include "writer.h"

/** Says of a writer that was just given up which write it is at, and what helps. Returns
 * REFUSAL_WEDGED. */
RefusalKind wedged_refuse(const Writer *writer, Refusal *ret);

/**
 * Whether the writer of a switch that was cut short is still in the kernel. Reads nothing of the
 * device: that would wait for the same lock.
 *
 * @record: of its writer
 * @wait: one that was not given up yet (its switch was killed) is waited for as long as its switch
 * would have, and given up then; one to a pool of hugepages is ended, if that is possible; else it
 * is taken for stuck at once
 *
 * Returns REFUSAL_NONE where there is none, or REFUSAL_WEDGED with @ret filled.
 */
RefusalKind wedged_check(const Root *root, RunWriter *record, bool wait, Refusal *ret);

#define LATE_RETURN_UNIT "vfio-mode-late-return.service"

/** Has the unit started that cleans up after a late return, which may never come. Nothing where it
 * is waiting already, and where @root is not the live machine. */
void wedged_await_return(const Root *root);

/**
 * Waits, for as long as it takes, until the writer of a switch that got stuck has left the kernel.
 *
 * Returns whether what it left is to be cleaned up; false where there is no such writer, and where
 * another switch was begun since then, or is done already.
 */
bool wedged_wait(const Root *root);

/**
 * Resets the machine by force, which is all that helps: shutting down waits for the driver as well.
 * What can be saved is written to the disks first, as far as that takes seconds only.
 *
 * Comes back only where it fails, which was logged, or where @root is not the live machine.
 */
void wedged_reset(const Root *root);
