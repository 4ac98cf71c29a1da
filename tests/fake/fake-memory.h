/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's pools of hugepages, played on a tree of plain files: what a write to nr_hugepages
 * does to the pool's counts and to /proc/meminfo (mm/hugetlb.c of 6.1 and 6.12). tests/conformance
 * holds it to the real kernel. Knows nothing of the project.
 *
 * What sysfs does not show is written into the tree as hidden files:
 *
 *     sys/kernel/mm/hugepages/hugepages-NkB/.fake-pages   nr_hugepages as it is: whoever opens a
 * plain file to write may have emptied it sys/kernel/mm/hugepages/hugepages-NkB/.fake-found   the
 * most pages of this size that memory has in one piece; missing: all of it
 */
#pragma once

#include <stddef.h>

#define FAKE_POOLS "sys/kernel/mm/hugepages"

/** Puts back what opening nr_hugepages for writing has taken away. */
void fake_memory_restore(int root_fd, const char *pool);

/**
 * Writes @text to nr_hugepages of a pool.
 *
 * @pool: the directory's name, such as "hugepages-2048kB"
 *
 * Returns 0, also where fewer pages were had; or the negative errno that write(2) fails with.
 */
int fake_memory_write(int root_fd, const char *pool, const char *text, size_t length);
