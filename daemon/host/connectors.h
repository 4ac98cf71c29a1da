/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connectors of the host's graphics cards (kernel: Documentation/ABI/testing/sysfs-class-drm).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/pci-address.h"
#include "root.h"

/** Whether a screen is connected to a card that a driver of the host's has, and that is none of
 * @except. Nothing is probed for it. */
bool connectors_have_screen(const Root *root, const PciAddress *except, size_t n_except);
