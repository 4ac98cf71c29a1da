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

/* @pools: the directory of those of the machine, or of a node. */
static bool read_count(const Root *root, const char *pools, HugepageSize size,
                       const char *attribute, uint64_t *ret) {
        char path[128], text[32];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/hugepages-%" PRIu64 "kB/%s", pools,
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

        if (!read_count(root, HUGEPAGES_DIR, size, "nr_hugepages", &all))
                return;
        (void)read_count(root, HUGEPAGES_DIR, size, "surplus_hugepages", &surplus);
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

void memory_scan_nodes(const Root *root, MemoryNodes *ret) {
        *ret = (MemoryNodes){ 0 };
        for (unsigned number = 0; number < MEMORY_NODES_MAX; number++) {
                MemoryNode node = { .number = number };
                bool is_there = false;
                char pools[64];

                (void)snprintf(pools, sizeof(pools), "sys/devices/system/node/node%u/hugepages",
                               number);
                for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                        is_there |=
                                read_count(root, pools, size, "nr_hugepages", &node.pages[size]);
                        (void)read_count(root, pools, size, "free_hugepages", &node.free[size]);
                }
                if (is_there)
                        ret->nodes[ret->n_nodes++] = node;
        }
}

int memory_node_of(const Root *root, PciAddress address) {
        char path[64], text[16], name[PCI_ADDRESS_SIZE];
        uint64_t node;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/numa_node",
                       pci_address_format(address, name));
        if (file_read_line_at(root->fd, path, text, sizeof(text)) <= 0 ||
            parse_decimal(text, MEMORY_NODES_MAX - 1, &node) < 0)
                return -1;
        return (int)node;
}
