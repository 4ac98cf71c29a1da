/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a device node open. Looked at only when it matters, since it reads all of /proc: before a
 * function is taken from vfio-pci, which waits in the kernel for its user.
 */
#pragma once

#include "model/host.h"
#include "root.h"

/**
 * Fills in `holder` of every function that is on a vfio driver: the process that has its group's
 * node (/dev/vfio/N) or its own (/dev/vfio/devices/vfioN) open, by device number, in all mount
 * namespaces.
 *
 * A group that can be opened has no holder; it is closed again at once. Whoever starts a guest in
 * that moment is told that it is busy, which it is: it is about to be taken.
 *
 * Naming the holder needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; one that cannot be seen is
 * HOLDER_UNSEEN where the group is busy, and nobody where the group may not be opened. Only the
 * live machine has processes; with another root nothing is found.
 *
 * Returns 0 or the error of reading /proc.
 */
_must_check_ int holders_find_vfio(const Root *root, Host *host);
