/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages come out of MemAvailable and go back there. Those in use cannot go: they become surplus
 * ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake-memory.h"
#include "fake-pci.h"

#define AVAILABLE "MemAvailable:"

typedef struct Pool {
        int root_fd;
        const char *name;
        long long kib;   /* of a page */
        long long pages; /* surplus ones too */
        long long free;
        long long surplus;
} Pool;

static long long read_count(const Pool *pool, const char *attribute, long long missing) {
        char path[PATH_MAX], text[64];

        (void)snprintf(path, sizeof(path), FAKE_POOLS "/%s/%s", pool->name, attribute);
        return fake_file_read(pool->root_fd, path, text, sizeof(text)) > 0 ? atoll(text) : missing;
}

static int write_count(const Pool *pool, const char *attribute, long long count) {
        char path[PATH_MAX], text[64];

        (void)snprintf(path, sizeof(path), FAKE_POOLS "/%s/%s", pool->name, attribute);
        (void)snprintf(text, sizeof(text), "%lld\n", count);
        return fake_file_write(pool->root_fd, path, O_TRUNC, text, strlen(text));
}

/* Takes from MemAvailable, or gives to it; returns what there was. */
static long long change_available(int root_fd, long long kib) {
        char text[4096], after[4096], *line;
        long long available;

        (void)fake_file_read(root_fd, "proc/meminfo", text, sizeof(text));
        line = strstr(text, AVAILABLE);
        if (!line)
                return 0;
        available = atoll(line + strlen(AVAILABLE));
        (void)snprintf(after, sizeof(after), "%.*s" AVAILABLE " %lld kB%s", (int)(line - text),
                       text, available + kib, strchr(line, '\n'));
        if (kib != 0 && fake_file_write(root_fd, "proc/meminfo", O_TRUNC, after, strlen(after)) < 0)
                abort();
        return available;
}

static void grow(Pool *pool, long long wanted) {
        long long more = wanted - (pool->pages - pool->surplus);
        long long taken = more < pool->surplus ? more : pool->surplus;
        long long found = read_count(pool, ".fake-found", LLONG_MAX) - pool->pages;
        long long room = change_available(pool->root_fd, 0) / pool->kib;

        pool->surplus -= taken;
        more -= taken;
        more = more < room ? more : room;
        more = more < found ? more : found;
        if (more <= 0)
                return;
        pool->pages += more;
        pool->free += more;
        (void)change_available(pool->root_fd, -more * pool->kib);
}

static void shrink(Pool *pool, long long wanted) {
        long long less = pool->pages - pool->surplus - wanted;
        long long freed = less < pool->free ? less : pool->free;

        pool->pages -= freed;
        pool->free -= freed;
        pool->surplus += less - freed;
        (void)change_available(pool->root_fd, freed * pool->kib);
}

void fake_memory_restore(int root_fd, const char *name) {
        Pool pool = { .root_fd = root_fd, .name = name };

        if (write_count(&pool, "nr_hugepages", read_count(&pool, ".fake-pages", 0)) < 0)
                abort();
}

int fake_memory_write(int root_fd, const char *name, const char *text, size_t length) {
        Pool pool = { .root_fd = root_fd, .name = name };
        char number[64], *end;
        long long wanted;

        (void)snprintf(number, sizeof(number), "%.*s", (int)length, text);
        wanted = strtoll(number, &end, 0);
        if (end == number || (*end != '\0' && strcmp(end, "\n") != 0) || wanted < 0 ||
            sscanf(name, "hugepages-%lldkB", &pool.kib) != 1)
                return -EINVAL;
        pool.pages = read_count(&pool, ".fake-pages", 0);
        pool.free = read_count(&pool, "free_hugepages", 0);
        pool.surplus = read_count(&pool, "surplus_hugepages", 0);
        if (wanted > pool.pages - pool.surplus)
                grow(&pool, wanted);
        else
                shrink(&pool, wanted);
        if (write_count(&pool, ".fake-pages", pool.pages) < 0 ||
            write_count(&pool, "nr_hugepages", pool.pages) < 0 ||
            write_count(&pool, "free_hugepages", pool.free) < 0 ||
            write_count(&pool, "surplus_hugepages", pool.surplus) < 0)
                abort();
        return 0;
}
