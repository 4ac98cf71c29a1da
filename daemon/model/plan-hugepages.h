/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner's part about hugepages: they are had before anything is taken from the host, and
 * given back when the screen is there again. Pure; only plan.c includes it.
 */
#pragma once

#include "plan.h"

/**
 * Whether the least that the mode needs can be there at all: pages of that size, and memory for
 * them. Nothing is refused of a mode that is in force: what is missing is asked for again.
 */
RefusalKind plan_hugepages_check(const PlanInput *input, const ConfigMode *mode, Refusal *refusal);

/** Adds the steps that raise a pool to what the mode wants. */
void plan_hugepages_raise(const PlanInput *input, const ConfigMode *mode, Plan *plan);

/** Adds the steps that give back what an earlier mode got and this one does not want. */
void plan_hugepages_give_back(const PlanInput *input, const ConfigMode *mode, Plan *plan);
