/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hold of the mode in force on this machine: whether it was released meanwhile, and what is
 * said of it.
 */
#pragma once

#include "model/hold.h"
#include "model/refusal.h"
#include "root.h"

/* Names the hold that was released, by the time of its beginning; vfio-moded writes it, which
 * cannot write to the status. */
#define RELEASED_PATH "run/vfio-moded/released"

/** Forgets the hold of @state where it was released. */
void hold_forget_released(const Root *root, RunState *state);

/** Refuses what is asked for on behalf of a virtual machine: says since when and why the mode is
 * held. */
RefusalKind hold_refuse(const RunState *state, Refusal *refusal);

/** Releases the hold of @state. Returns 0 or the error of writing. */
_must_check_ int hold_release(const Root *root, const RunState *state);
