/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says of a device that a guest is to have. Reads only. */
#pragma once

#include "model/device-check.h"
#include "root.h"

/**
 * Reads it; what cannot be read is not there.
 *
 * Of a function that sleeps nothing is read that would wake it.
 *
 * @facts: with its device and functions; the rest is filled in
 * @taken: every function that the mode takes: a screen on none of them is another one
 */
void device_facts_read(const Root *root, const Host *host, const PciAddress *taken, size_t n_taken,
                       DeviceFacts *facts);
