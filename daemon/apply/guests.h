/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends what has a VFIO node open of a function that is to be taken from vfio-pci, in order first:
 * to unbind under it would hang in the kernel.
 */
#pragma once

#include "model/plan.h"
#include "situation.h"

/**
 * Whether a switch to this mode ends guests: it leaves another mode, or it is the last resort.
 *
 * @source: who asked
 */
bool guests_may_be_ended(const Situation *now, const char *source);

/**
 * Asks each guest of the plan to end, as it is done for its kind, and waits; after `stop-vm` of the
 * mode that is left, by signals. Says in the status who is waited for.
 *
 * Whoever is left is for holders_find_vfio() to see, and for the plan to refuse.
 *
 * @plan: as situation_plan() made it
 * @ret_had_guests: whether there was anybody when the plan was made; it is to be made anew then
 *
 * Returns REFUSAL_NONE, or REFUSAL_FAILED where it cannot be looked.
 */
RefusalKind guests_end(const Situation *now, const Plan *plan, bool *ret_had_guests,
                       Refusal *refusal);
