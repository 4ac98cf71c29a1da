/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a switch to the mode that `init` proposes would be refused: the plan itself is asked. */
#pragma once

#include "model/config.h"
#include "model/refusal.h"
#include "model/setup.h"
#include "view/machine.h"

typedef struct InitPlan {
        Refusal refusal; /**< REFUSAL_NONE: the switch would be made */
        bool is_later;   /**< not now, but once the card has been on the host */
} InitPlan;

/** Plans the switch to passthrough mode by @config, which is the proposal. Who uses the card now is
 * not looked at: that is of the moment. */
void init_plan_make(const Machine *machine, const Setup *setup, const Config *config,
                    InitPlan *ret);
