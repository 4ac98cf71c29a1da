/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pools of the whole machine: the kernel spreads the pages over its NUMA nodes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "host/memory-scan.h"
#include "hugepages.h"

/* No more is looked for after this time. The boot unit has 3 s in all. */
#define LIMIT_MS (60 * 1000)
#define EARLY_LIMIT_MS 1500

/* Of one write: a page of 1 GiB, or as many small ones as are found in a moment. */
#define CHUNK_KIB (128 * 1024)

static uint64_t now_ms(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t hugepages_deadline(bool early) {
        return now_ms() + (early ? EARLY_LIMIT_MS : LIMIT_MS);
}

static uint64_t least(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

static uint64_t chunk(HugepageSize size) {
        uint64_t pages = CHUNK_KIB / hugepage_kib(size);

        return pages > 0 ? pages : 1;
}

static int write_pool(const Root *root, HugepageSize size, uint64_t pages) {
        char path[128], text[32];

        (void)snprintf(path, sizeof(path), HUGEPAGES_DIR "/hugepages-%" PRIu64 "kB/nr_hugepages",
                       hugepage_kib(size));
        (void)snprintf(text, sizeof(text), "%" PRIu64 "\n", pages);
        return file_write_at(root->fd, path, text);
}

int hugepages_raise(const Root *root, HugepageSize size, uint64_t pages, uint64_t deadline,
                    uint64_t *ret) {
        Memory memory;
        uint64_t asked;
        int r = 0;

        memory_scan(root, &memory);
        do {
                uint64_t there = memory.pools[size].pages;
                uint64_t room = memory_to_spare_kib(&memory) / hugepage_kib(size);

                *ret = there;
                if (there >= pages || room == 0)
                        return 0;
                asked = there + least(least(pages - there, room), chunk(size));
                r = write_pool(root, size, asked);
                memory_scan(root, &memory);
                *ret = memory.pools[size].pages;
        } while (r >= 0 && *ret >= asked && now_ms() < deadline);
        return r;
}

int hugepages_lower(const Root *root, HugepageSize size, uint64_t pages) {
        uint64_t before;
        Memory memory;
        int r = 0;

        memory_scan(root, &memory);
        do {
                before = memory.pools[size].pages;
                if (before <= pages)
                        return 0;
                r = write_pool(root, size, before - least(before - pages, chunk(size)));
                memory_scan(root, &memory);
        } while (r >= 0 && memory.pools[size].pages < before);
        return r;
}
