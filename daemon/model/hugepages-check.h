/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a mode will find its hugepages, and on which memory node. Pure; host/memory-scan reads
 * what there is.
 */
#pragma once

#include "hugepages.h"
#include "inspection.h"

#define MEMORY_NODES_MAX 16

/** The pools of one memory node (kernel: Documentation/ABI/stable/sysfs-devices-node). */
typedef struct MemoryNode {
        unsigned number;
        uint64_t pages[_HUGEPAGE_SIZE_MAX]; /**< in the pool, surplus ones as well */
        uint64_t free[_HUGEPAGE_SIZE_MAX];  /**< of these */
} MemoryNode;

typedef struct MemoryNodes {
        MemoryNode nodes[MEMORY_NODES_MAX]; /**< by number */
        size_t n_nodes;
} MemoryNodes;

/**
 * Adds the checks `hugepages-1G` and `hugepages-2M`, of each size that is wanted.
 *
 * @node: the one that the mode's first device is on; -1: not known, or there is but one
 */
void hugepages_check(const HugepagesWanted *wanted, const Memory *memory, const MemoryNodes *nodes,
                     int node, Inspection *ret);
