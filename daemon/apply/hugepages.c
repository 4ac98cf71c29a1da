/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pools of the whole machine: the kernel spreads the pages over its NUMA nodes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "host/memory-scan.h"
#include "hugepages.h"

/* No more is looked for after this time. The boot unit has 3 s in all. */
#define LIMIT_MS (60 * 1000)
#define EARLY_LIMIT_MS 1500
#define LEAST_MS 500

/* Of one write: a page of 1 GiB, or as many small ones as are found in a moment. */
#define CHUNK_KIB (128 * 1024)

static uint64_t now_ms(void) {
        return now_usec() / 1000;
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

/* One that begins at the very end, as what a failure puts back may, has a moment all the same. */
static uint64_t usec_until(uint64_t deadline) {
        const uint64_t now = now_ms();

        return (deadline > now + LEAST_MS ? deadline - now : LEAST_MS) * 1000;
}

static int write_pool(Writer *writer, HugepageSize size, uint64_t pages, uint64_t usec) {
        const RunWrite what =
                run_write(RUN_WRITE_HUGEPAGES, (PciAddress){ 0 }, hugepage_name(size));
        char path[128], text[32];

        (void)snprintf(path, sizeof(path), HUGEPAGES_DIR "/hugepages-%" PRIu64 "kB/nr_hugepages",
                       hugepage_kib(size));
        (void)snprintf(text, sizeof(text), "%" PRIu64 "\n", pages);
        return writer_write_pool(writer, &what, path, text, usec);
}

int hugepages_raise(Writer *writer, HugepageSize size, uint64_t pages, uint64_t deadline,
                    uint64_t *ret) {
        Memory memory;
        uint64_t asked;
        int r = 0;

        memory_scan(writer->root, &memory);
        do {
                uint64_t there = memory.pools[size].pages;
                uint64_t room = memory_to_spare_kib(&memory) / hugepage_kib(size);

                *ret = there;
                if (there >= pages || room == 0)
                        return 0;
                asked = there + least(least(pages - there, room), chunk(size));
                r = write_pool(writer, size, asked, usec_until(deadline));
                if (writer->is_stuck)
                        return r;
                memory_scan(writer->root, &memory);
                *ret = memory.pools[size].pages;
        } while (r >= 0 && *ret >= asked && now_ms() < deadline);
        return r == -ECANCELED ? 0 : r;
}

int hugepages_lower(Writer *writer, HugepageSize size, uint64_t pages) {
        uint64_t before;
        Memory memory;
        int r = 0;

        memory_scan(writer->root, &memory);
        do {
                before = memory.pools[size].pages;
                if (before <= pages)
                        return 0;
                r = write_pool(writer, size, before - least(before - pages, chunk(size)),
                               writer_deadline(writer, RUN_WRITE_HUGEPAGES));
                if (writer->is_stuck) {
                        writer_leave(writer);
                        return r;
                }
                memory_scan(writer->root, &memory);
        } while (r >= 0 && memory.pools[size].pages < before);
        return r;
}
