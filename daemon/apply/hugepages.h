/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writes to the kernel's pools of hugepages. A write succeeds however few pages there were to
 * be had, and one for many pages can keep the kernel busy for minutes; so little is asked for at a
 * time, by the process that makes the other writes as well, and the pool is read again after each
 * write.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "model/hugepages.h"
#include "writer.h"

/** Until when a switch that begins now may look for pages. @early: before udev's coldplug: the boot
 * waits for it. */
uint64_t hugepages_deadline(bool early);

/**
 * Brings the pool up to @pages, as far as memory that can be spared goes and as far as the kernel
 * finds it before the deadline; a write that is not done by then is ended.
 *
 * @ret: how many there are now, also on failure; where the writer is stuck, there were before it
 *
 * Returns 0, also where it is fewer; else as writer_write().
 */
_must_check_ int hugepages_raise(Writer *writer, HugepageSize size, uint64_t pages,
                                 uint64_t deadline, uint64_t *ret);

/**
 * Brings the pool down to @pages. Those that a process uses go when it ends.
 *
 * Returns 0, or as writer_write_pool(); where the writer is stuck it was left to itself: the pages
 * go when it is done.
 */
_must_check_ int hugepages_lower(Writer *writer, HugepageSize size, uint64_t pages);
