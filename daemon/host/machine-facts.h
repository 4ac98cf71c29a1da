/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine is, as far as virtual machines on it are concerned. Reads only. */
#pragma once

#include "model/machine-check.h"
#include "root.h"

/**
 * Reads it; what cannot be read is not there.
 *
 * `has_iommu` is left to who has scanned the host.
 */
void machine_facts_read(const Root *root, MachineFacts *ret);
