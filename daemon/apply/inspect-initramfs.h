/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of what the initramfs does with a mode's devices: see vfio-mode-initramfs(7). */
#pragma once

#include "model/inspection.h"
#include "situation.h"

/**
 * Adds `initramfs` where there is something to say: that an image is stale, or none keeps host
 * drivers off and one was bound early; and `passphrase`, where an image does and the mode takes the
 * screen.
 *
 * @mode: of @now's configuration
 * @is_scanned: @now's host is
 * @taken: every function that the mode takes
 */
void inspect_initramfs(const Situation *now, const ConfigMode *mode, bool is_scanned,
                       const PciAddress *taken, size_t n_taken, Inspection *ret);
