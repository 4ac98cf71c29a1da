/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps that give a function to its VFIO driver: vfio-pci, or the variant of it that there is
 * for the function.
 */
#pragma once

#include "planner.h"

/** Adds the loading of the modules that are needed for what is taken. */
void plan_take_add_modules(Planner *planner);

/** Adds the steps that take a function, or that mend what a function is missing that is taken. */
void plan_take_add(Planner *planner, const Function *function);

/** Adds only the binding, with what has to let go of the function's memory before a guest can have
 * it. */
void plan_take_add_bind(Planner *planner, const Function *function);
