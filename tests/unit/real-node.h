/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests that look for, or end, the processes that have a device node of this very machine open.
 */
#pragma once

#include <fcntl.h>
#include <sys/file.h>

/** Hardly anybody has it open. */
#define REAL_NODE "/dev/full"

/** Waits until no other such test runs, of whatever build: they would end each other. For as long
 * as this process lives. */
static inline int real_node_take(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -1 : flock(fd, LOCK_EX);
}
