/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a switch to the mode that `init` proposes would be refused: the plan itself is asked. */
#pragma once

#include "model/config.h"
#include "model/refusal.h"
#include "model/setup.h"
#include "view/machine.h"

#define INIT_REFUSALS_MAX 12

typedef struct InitRefusal {
        Refusal refusal;
        bool is_later; /**< not now, but once the card has been on the host */
} InitRefusal;

typedef struct InitPlan {
        InitRefusal refusals[INIT_REFUSALS_MAX]; /**< of each kind one, in the order in which a
                                                    person would meet them */
        size_t n_refusals;                       /**< 0: the switch would be made */
} InitPlan;

/**
 * Plans the switch to passthrough mode by @config, which is the proposal. A refusal hides what
 * comes behind it: so it is planned again as if that had been mended, until nothing is refused, or
 * what is cannot be mended by a person's word. Who uses the card now is not looked at: that is of
 * the moment.
 */
void init_plan_make(const Machine *machine, const Setup *setup, const Config *config,
                    InitPlan *ret);

/** The refusal of a kind; NULL where there is none of it. */
const Refusal *init_plan_find(const InitPlan *plan, RefusalKind kind);
