/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writes to the kernel's pools of hugepages. A write succeeds however few pages there were to
 * be had, and one for many pages can keep the kernel busy for minutes; so little is asked for at a
 * time, and the pool is read again after each write.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "host/root.h"
#include "model/hugepages.h"

/** Until when a switch that begins now may look for pages. @early: before udev's coldplug: the boot
 * waits for it. */
uint64_t hugepages_deadline(bool early);

/**
 * Brings the pool up to @pages, as far as memory that can be spared goes and as far as the kernel
 * finds it before the deadline.
 *
 * @ret: how many there are now, also on failure
 *
 * Returns 0, also where it is fewer; else write(2)'s error.
 */
_must_check_ int hugepages_raise(const Root *root, HugepageSize size, uint64_t pages,
                                 uint64_t deadline, uint64_t *ret);

/**
 * Brings the pool down to @pages. Those that a process uses go when it ends.
 *
 * Returns 0, or write(2)'s error.
 */
_must_check_ int hugepages_lower(const Root *root, HugepageSize size, uint64_t pages);
