/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a device node open. Looked at only when it matters, since it reads all of /proc: before a
 * function is taken from vfio-pci, which waits in the kernel for its user, and before one is taken
 * from a host driver.
 *
 * A node is known by its number, which holds in every mount namespace and whatever it is called. A
 * mapping whose descriptor was closed is not seen: /proc/PID/map_files would take CAP_SYS_ADMIN,
 * and /proc/PID/maps waits for a process that is stuck with its memory locked.
 */
#pragma once

#include "model/host.h"
#include "model/in-use.h"
#include "root.h"

/**
 * Fills in `holder` of every function that is on a vfio driver: the process that has its group's
 * node (/dev/vfio/N) or its own (/dev/vfio/devices/vfioN) open.
 *
 * A group that can be opened has no holder; it is closed again at once. Whoever starts a guest in
 * that moment is told that it is busy, which it is: it is about to be taken.
 *
 * Naming the holder needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; one that cannot be seen is
 * HOLDER_UNSEEN where the group is busy, and nobody where the group may not be opened. Only the
 * live machine has processes; with another root nothing is found.
 *
 * Returns 0 or the error of looking, -E2BIG where there are too many nodes.
 */
_must_check_ int holders_find_vfio(const Root *root, Host *host);

/**
 * The same for one function that is on a vfio driver by now, whatever @function says.
 *
 * @ret: `pid` is 0 where nobody has it
 */
_must_check_ int holders_find_vfio_of(const Root *root, const Function *function, Holder *ret);

/**
 * Finds who has a node of these functions open: whatever sysfs has a number for below them (cards,
 * sound, i2c, hidraw, input, video, disks), the firmware's framebuffer on the boot display, kfd of
 * the only card of amdgpu, the nodes of nvidia, which are not below them, and VFIO's. Otherwise as
 * holders_find_vfio().
 *
 * Not a holder: systemd-logind with an input device, which it watches for power keys.
 */
_must_check_ int holders_find(const Root *root, const Host *host, const PciAddress *functions,
                              size_t n, Holders *ret);
