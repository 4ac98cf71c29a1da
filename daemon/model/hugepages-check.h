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

/** What there is of pages, whoever wants them. */
typedef struct HugepagesLeft {
        uint64_t there[_HUGEPAGE_SIZE_MAX];   /**< now */
        uint64_t left[_HUGEPAGE_SIZE_MAX];    /**< of these, once the mode is in force */
        bool is_reserved[_HUGEPAGE_SIZE_MAX]; /**< by the kernel command line that all boots have */
        const char *kept_for[_HUGEPAGE_SIZE_MAX]; /**< the mode that has them stay when it is left;
                                                     NULL: none */
} HugepagesLeft;

/**
 * Adds the same checks of pages that are there, and that the mode does not want: whether they are
 * given back, stay on purpose, or are kept from the host for nothing.
 */
void hugepages_check_left(const HugepagesWanted *wanted, const HugepagesLeft *left,
                          Inspection *ret);
