/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a display function has a screen connected, by what the kernel's connectors say. Nothing
 * is probed for it.
 */
#pragma once

#include "host/root.h"
#include "model/plan.h"
#include "model/run-result.h"
#include "model/run-state.h"

/** Whether a connector of the function's cards is connected. */
bool picture_is_there(const Root *root, PciAddress address);

/**
 * Looks for a function that had a screen when it left, is back on the host by this plan, and has
 * none now, and says so in the result and the log; a driver has a few seconds for finding its
 * connectors. There is nothing better to go back to, so nothing is undone.
 *
 * @before: what was away before the switch
 */
void picture_describe(const Root *root, const RunState *before, const Plan *plan, RunResult *ret);
