/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of 1 GiB and of 2 MiB that a guest's memory lies in: what a mode wants, what the kernel
 * has, and how much of it may be asked for. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/** The largest memory that one size of pages may be asked for. */
#define HUGEPAGES_MAX_KIB (UINT64_C(16) << 30) /* 16 TiB: sums of all sizes stay far from 2^64 */

/** The sizes, in the order in which they are allocated: the rarest first. */
typedef enum HugepageSize {
        HUGEPAGE_1G,
        HUGEPAGE_2M,
        _HUGEPAGE_SIZE_MAX,
} HugepageSize;

/** What a mode wants. */
typedef struct HugepagesWanted {
        uint32_t pages[_HUGEPAGE_SIZE_MAX];
        uint32_t min; /**< valid if has_min: so many pages, or per cent of each size */
        bool has_min; /**< false: all of them are needed */
        bool min_is_percent;
        bool keep; /**< they stay when the mode is left */
} HugepagesWanted;

/** The kernel's pool of one size (kernel: Documentation/admin-guide/mm/hugetlbpage.rst). */
typedef struct HugepagePool {
        bool is_there;  /**< the processor and the kernel have pages of this size */
        uint64_t pages; /**< those that stay in the pool, without surplus ones */
} HugepagePool;

/** The machine's memory. */
typedef struct Memory {
        uint64_t total_kib;     /**< 0: not known */
        uint64_t available_kib; /**< what may be had without swapping, by the kernel's estimate */
        HugepagePool pools[_HUGEPAGE_SIZE_MAX];
} Memory;

/** A size's name in keys and in words: "1G" or "2M". */
const char *hugepage_name(HugepageSize size);

/** Finds a size by its name. Returns whether there is one; @ret is untouched where there is none.
 */
bool hugepage_by_name(const char *name, HugepageSize *ret);

/** A page's size, which names its directory in sysfs. */
uint64_t hugepage_kib(HugepageSize size);

/** The most pages of a size that a configuration may want. */
uint64_t hugepages_max(HugepageSize size);

/** Whether any page of any size is wanted. */
bool hugepages_are_wanted(const HugepagesWanted *wanted);

/** How many pages of a size there must be; at most as many as are wanted. */
uint64_t hugepages_minimum(const HugepagesWanted *wanted, HugepageSize size);

/** How much may be asked for now: the host keeps a part of what is available for itself. */
uint64_t memory_to_spare_kib(const Memory *memory);
