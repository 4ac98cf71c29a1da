/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hugepages that a kernel command line has reserved at boot, as a configuration can say it.
 * Source: the kernel's Documentation/admin-guide/kernel-parameters.txt, hugepages=. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "hugepages.h"

typedef struct PageReservation {
        uint32_t pages[_HUGEPAGE_SIZE_MAX]; /**< of all NUMA nodes together */
        bool is_by_node;                    /**< some are for a node of their own */
        bool sets_default;                  /**< pages of 1 GiB are the default ones, too */
        bool is_odd; /**< some of it is of another size, or no number, and is not counted */
} PageReservation;

/** Whether an argument is about it: hugepages=, hugepagesz= or default_hugepagesz=. */
bool page_reservation_has(const char *word, size_t length);

/** Copies the words that reserve pages of a size, hugepagesz= and hugepages=, as they stand; cut
 * between two where they do not fit. */
void page_reservation_copy(const char *cmdline, HugepageSize of, char *buffer, size_t size);

/** Reads it from a command line; the last word on a size counts. */
void page_reservation_read(const char *cmdline, PageReservation *ret);

/** Whether any page is reserved that a mode could want instead, and nothing else. */
bool page_reservation_is_plain(const PageReservation *reservation);
