/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows from a card that cannot be had back at run time: the next boot is one in the
 * fallback mode, whatever is armed.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"

#define DISARM_UNIT "vfio-mode-disarm.service"

/**
 * Makes the next boot the fallback mode and says so. On the live machine by its own unit: a switch
 * must not depend on whether /boot and the ESP can be reached, as the sandbox of a unit that may
 * write them does. Where that unit cannot be started, here.
 *
 * Returns whether it is.
 */
_must_check_ bool disarm_next_boot(const Root *root);
