/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan for the machine that is there: plan_make(), who else would move its devices, and what it
 * would cut the host off from. Whoever shows or carries out a plan makes it here, so that all of
 * them say the same.
 */
#pragma once

#include "model/plan.h"
#include "root.h"

/**
 * Makes the plan. What the host needs is looked for only where a function would leave it. On the
 * way to the fallback mode it stays with the host, and a note says so.
 *
 * Returns as plan_make() or conflicts_judge(); or would-cut-storage, would-cut-network or
 * would-cut-input; or failed where that cannot be found out.
 */
RefusalKind host_plan_make(const Root *root, const PlanInput *input, Plan *ret,
                           Refusal *ret_refusal);
