/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of GRUB's configuration: see vfio-mode-grub(7). */
#pragma once

#include "boot/boot-place.h"
#include "model/inspection.h"

/**
 * Adds `boot-scripts`, where there is a place for the boot environment: whether GRUB reads it, and
 * heeds what it says; and `boot-fresh`, where GRUB is what the machine boots by.
 */
void inspect_grub(const Root *root, const BootPlace *place, Inspection *ret);
