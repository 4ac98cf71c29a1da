/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a switch would do: the plan that vfio-mode-apply would make, or its refusal, found out by
 * reading only. The service has it from apply itself; this process makes it for --root, and where
 * there is no bus.
 */
#pragma once

#include "ctl/bus.h"
#include "model/refusal.h"
#include "view/json.h"
#include "view/machine.h"

typedef struct Proposal {
        RefusalKind kind;
        char text[REFUSAL_TEXT_SIZE]; /**< where kind is not REFUSAL_NONE */
        json_object *steps;           /**< objects with `step`, `object` and `text` */
        json_object *notes;           /**< strings */
        json_object *ways_back;       /**< objects as way_back_row() makes them */
} Proposal;

/** Makes it for @mode; scans the machine for that. The caller ends it by proposal_done(). */
void proposal_make(Machine *machine, const char *mode, Proposal *ret);

/**
 * Asks the service for it.
 *
 * Returns 0, also where the mode is refused; else a negative errno with @error filled.
 */
_must_check_ int proposal_ask(Bus *bus, const char *mode, Proposal *ret, BusError *error);

/** Frees it; for `_cleanup_(proposal_done)`. */
void proposal_done(Proposal *proposal);

/** Prints the steps, the notes and the ways back for a person, each behind two blanks. */
void proposal_print(const Proposal *proposal);

/** Adds `steps`, `notes` and `ways_back`. */
void proposal_add_to_json(const Proposal *proposal, json_object *object);
