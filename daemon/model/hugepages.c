/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic of pages. Counts are bounded where they are read, so that nothing here overflows.
 */
#include <stddef.h>
#include <string.h>

#include "hugepages.h"

/* A pool that takes the last free page has the host reclaim and swap: a thirty-second stays, and
 * on a large machine no more than this. */
#define RESERVE_MAX_KIB (256 * 1024)
#define RESERVE_PART 32

static const struct Size {
        const char *name;
        uint64_t kib;
} sizes[_HUGEPAGE_SIZE_MAX] = {
        [HUGEPAGE_1G] = { "1G", 1024 * 1024 },
        [HUGEPAGE_2M] = { "2M", 2 * 1024 },
};

const char *hugepage_name(HugepageSize size) {
        return sizes[size].name;
}

bool hugepage_by_name(const char *name, HugepageSize *ret) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                if (strcmp(sizes[size].name, name) == 0) {
                        *ret = size;
                        return true;
                }
        }
        return false;
}

uint64_t hugepage_kib(HugepageSize size) {
        return sizes[size].kib;
}

uint64_t hugepages_max(HugepageSize size) {
        return HUGEPAGES_MAX_KIB / sizes[size].kib;
}

bool hugepages_are_wanted(const HugepagesWanted *wanted) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (wanted->pages[size] > 0)
                        return true;
        return false;
}

uint64_t hugepages_minimum(const HugepagesWanted *wanted, HugepageSize size) {
        uint64_t pages = wanted->pages[size];

        if (!wanted->has_min)
                return pages;
        if (wanted->min_is_percent)
                return (pages * wanted->min + 99) / 100;
        return wanted->min < pages ? wanted->min : pages;
}

uint64_t memory_to_spare_kib(const Memory *memory) {
        uint64_t reserve = memory->total_kib / RESERVE_PART;

        if (reserve > RESERVE_MAX_KIB)
                reserve = RESERVE_MAX_KIB;
        return memory->available_kib > reserve ? memory->available_kib - reserve : 0;
}
