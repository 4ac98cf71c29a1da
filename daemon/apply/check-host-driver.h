/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check of the drivers that a device goes back to. */
#pragma once

#include "model/inspection.h"
#include "situation.h"

/**
 * Adds the check `host-driver-NAME`: what function 0 goes back to; and a warning for each function
 * whose drivers modprobe.d keeps from it.
 *
 * @functions: the device's, as device_resolve() has them, at least one
 */
void check_host_driver(const Situation *now, const ConfigDevice *device,
                       const PciAddress *functions, size_t n_functions, Inspection *ret);
