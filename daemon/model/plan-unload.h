/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a function from a driver that waits for its users (model/module-stack): by unloading the
 * driver, which the kernel refuses at once where it is in use. That takes every function that the
 * driver has; where one stays on the host it is an unbind, which somebody has to have consented to.
 */
#pragma once

#include "planner.h"

/** Returns REFUSAL_NONE; or shared-driver, where the driver is needed for another function. */
RefusalKind plan_unload_check(Planner *planner, const Want *want);

/**
 * Adds the steps that take a function by unloading its driver, with those of the driver's other
 * functions. Where it has to be unbound all the same a note says so.
 *
 * Returns whether they were added.
 */
bool plan_unload_take(Planner *planner, const Function *function);

/** Adds the loading of what was unloaded, once a function is back on such a driver. */
void plan_unload_add_return(Planner *planner);
