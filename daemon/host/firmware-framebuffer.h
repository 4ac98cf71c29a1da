/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The framebuffer that the firmware has set up: a platform device such as efi-framebuffer.0, whose
 * driver (efifb, simpledrm, ...) claims memory in the BAR of the display that it is on.
 * Kernel: drivers/firmware/sysfb.c.
 */
#pragma once

#include <stdbool.h>

#include "model/config.h"
#include "model/machine-check.h"
#include "model/pci-address.h"
#include "root.h"

/**
 * Finds the firmware's framebuffer on a display function, where a driver has it.
 *
 * @ret: the platform device's name
 *
 * Returns 1; 0 where there is none on this function; else the error of reading.
 */
_must_check_ int firmware_framebuffer_find(const Root *root, PciAddress address,
                                           char ret[static CONFIG_DRIVER_SIZE]);

/** Whether a driver has the platform device @name. */
bool firmware_framebuffer_is_bound(const Root *root, const char *name);

/** Whether a name in /proc/iomem is that of such a framebuffer: its driver's, or BOOTFB. */
bool firmware_framebuffer_is_claim(const char *name);

/** Looks which driver has the firmware's screen, whatever display it is on; what cannot be known is
 * "". */
void firmware_framebuffer_look(const Root *root, FirmwareScreen *ret);

/** Whether memory of a function is claimed for such a framebuffer, with a driver or without. */
bool firmware_framebuffer_claims(const Root *root, PciAddress address);
