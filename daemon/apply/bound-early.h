/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which host drivers had a device before the boot unit could keep them off: those that the
 * initramfs loads, or that are in the kernel itself. Noted in every boot, so that it is known
 * before the first one into a mode.
 */
#pragma once

#include "host/root.h"
#include "model/config.h"
#include "model/pci-address.h"

/** Notes them, the first time in a boot, before anything is moved. What cannot be read or written
 * is logged. */
void bound_early_note(const Root *root, const Config *config);

/** Finds the driver that a function was noted with. Returns whether there is one. */
bool bound_early_find(const Root *root, PciAddress address, char ret[static CONFIG_DRIVER_SIZE]);
