/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads how much memory there is, and the kernel's pools of hugepages.
 */
#pragma once

#include "model/hugepages-check.h"
#include "model/hugepages.h"
#include "model/pci-address.h"
#include "root.h"

/** The pools, one directory for each size that there is. */
#define HUGEPAGES_DIR "sys/kernel/mm/hugepages"

/** Reads memory and pools. What cannot be read is not there, or not known; that is no error. */
void memory_scan(const Root *root, Memory *ret);

/** Reads the pools of each memory node, as far as there is room. What cannot be read is empty. */
void memory_scan_nodes(const Root *root, MemoryNodes *ret);

/** The memory node that a function is on; -1 where the kernel does not say. */
int memory_node_of(const Root *root, PciAddress address);
