/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check of guests that name a mode's devices. */
#pragma once

#include "boot/next-boot.h"
#include "model/guest-definition.h"
#include "model/inspection.h"
#include "situation.h"

/**
 * Adds the check `guests`: who names a device of the mode that the fallback mode does not have, and
 * a warning for each guest that starts with the machine and will be refused by the hook in the mode
 * of the next boot. None for a mode without such a device.
 */
void check_guests(const Situation *now, const ConfigMode *mode, const NextBoot *next,
                  const GuestDefinitions *guests, Inspection *ret);
