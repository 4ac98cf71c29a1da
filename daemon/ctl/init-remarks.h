/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `init` says beside its proposal: what the checks will say, and what was set up by hand until
 * now, with the command that takes it away.
 */
#pragma once

#include "ctl/init-grub.h"
#include "ctl/init-modprobe.h"
#include "ctl/init-plan.h"
#include "model/guest-definition.h"
#include "view/machine.h"

/** What was found beside the machine itself. */
typedef struct InitFound {
        const InitPlan *plan;
        const InitGrub *grub; /**< NULL: no GRUB files were named */
        const InitModprobe *modprobe;
        const GuestDefinitions *guests;
} InitFound;

/** Adds them. A card was chosen. */
void init_remark(const Setup *setup, const Machine *machine, const InitFound *found,
                 Lines *remarks);

/** The guests that name a function of a slot, with commas between; "": none. Never NULL; the caller
 * frees it. */
char *init_guests_list(const GuestDefinitions *guests, PciAddress address);
