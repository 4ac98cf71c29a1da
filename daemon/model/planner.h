/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan while it is made: for the planner's own files only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "plan.h"

typedef struct Want {
        const Function *function;
        const ConfigDevice *device; /**< NULL: only moved by us earlier */
        bool vfio;
        bool stays; /**< on vfio-pci, though it belongs on the host: a guest has it */
} Want;

typedef struct Planner {
        const PlanInput *input;
        const ConfigMode *mode;
        Plan *plan;
        Refusal *refusal;
        Want wants[RUN_STATE_FUNCTIONS_MAX];
        size_t n_wants;
        bool is_fallback;
        bool unloads; /**< the steps that unload the driver are in the plan */
} Planner;

/** Finds what is wanted of a function; NULL where nothing is. */
Want *planner_find(Planner *planner, PciAddress address);

/** The driver that a function has on the host; "": what the modalias picks. */
const char *planner_home_driver(const Planner *planner, const Want *want);

/** Adds a step, of a function or (NULL) of none. Returns it. */
Step *planner_add_step(Planner *planner, StepKind kind, const Function *function,
                       const char *driver);
