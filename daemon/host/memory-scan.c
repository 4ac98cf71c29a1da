/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/meminfo knows the pool of the default size only; sysfs knows all of them. nr_hugepages
 * counts surplus pages too, which go as soon as nobody uses them. Who reads either does not wait
 * for a write that changes the pool (mm/hugetlb.c, 6.1, 6.12).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "memory-scan.h"

#define MEMINFO_MAX (16 * 1024)

static const char *next_line(const char *line) {
        const char *end = strchr(line, '\n');

        return end ? end + 1 : NULL;
}

/* Finds "NAME:   NUMBER kB"; 0 where there is no such line. */
static uint64_t find_kib(const char *text, const char *name) {
        size_t name_length = strlen(name), length;
        char number[32];
        uint64_t kib;

        for (const char *line = text; line; line = next_line(line)) {
                const char *cursor, *word;

                if (strncmp(line, name, name_length) != 0)
                        continue;
                cursor = line + name_length;
                word = parse_word(&cursor, &length);
                if (word && parse_copy(number, sizeof(number), word, length) >= 0 &&
                    parse_decimal(number, UINT64_MAX / 1024, &kib) >= 0)
                        return kib;
        }
        return 0;
}

static bool read_count(const Root *root, HugepageSize size, const char *attribute, uint64_t *ret) {
        char path[128], text[32];
        ssize_t n;

        (void)snprintf(path, sizeof(path), HUGEPAGES_DIR "/hugepages-%" PRIu64 "kB/%s",
                       hugepage_kib(size), attribute);
        n = file_read_line_at(root->fd, path, text, sizeof(text));
        /* A pool that cannot be read looks like none, and nothing is given back of it: not at the
         * first error. */
        if (n < 0 && n != -ENOENT)
                n = file_read_line_at(root->fd, path, text, sizeof(text));
        return n > 0 && parse_decimal(text, UINT32_MAX, ret) >= 0;
}

static void read_pool(const Root *root, HugepageSize size, HugepagePool *ret) {
        uint64_t all, surplus = 0;

        if (!read_count(root, size, "nr_hugepages", &all))
                return;
        (void)read_count(root, size, "surplus_hugepages", &surplus);
        ret->is_there = true;
        ret->pages = all > surplus ? all - surplus : 0;
}

void memory_scan(const Root *root, Memory *ret) {
        char text[MEMINFO_MAX];

        *ret = (Memory){ 0 };
        if (file_read_at(root->fd, "proc/meminfo", text, sizeof(text)) > 0) {
                ret->total_kib = find_kib(text, "MemTotal:");
                ret->available_kib = find_kib(text, "MemAvailable:");
        }
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                read_pool(root, size, &ret->pools[size]);
}
