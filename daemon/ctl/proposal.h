/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a switch would do: the plan that vfio-mode-apply would make, or its refusal, found out by
 * reading only.
 */
#pragma once

#include "ctl/machine.h"
#include "model/plan.h"
#include "model/refusal.h"

typedef struct Proposal {
        RefusalKind kind;
        Refusal refusal; /**< where kind is not REFUSAL_NONE */
        Plan plan;       /**< where it is */
} Proposal;

/** Makes it for @mode; scans the machine for that. The caller frees it. */
Proposal *proposal_make(Machine *machine, const char *mode);

/** Prints the steps and notes for a person, each behind two blanks. */
void proposal_print(const Proposal *proposal);

/** Adds `steps` and `notes`. */
void proposal_add_to_json(const Proposal *proposal, json_object *object);
