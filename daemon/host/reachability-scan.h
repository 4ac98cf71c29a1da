/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds out what the host needs of its PCI functions: the disks that are mounted or swapped to, the
 * interfaces of its default routes, its keyboards; and what is in between.
 *
 * Only links, directories and attributes that no driver answers for are read: a function whose
 * driver is stuck does not stop it, and a card that sleeps goes on sleeping.
 *
 * The disks of ZFS are those that udev has labelled so. Where the system or a swap is on a file
 * system whose disks cannot be found, or on a volume of ZFS (zd0), which does not say of which pool
 * it is, every disk counts as one that it cannot be without.
 *
 * Not found, and so not guarded: what is merely mounted from a file system that does not name its
 * disks, and what lies behind the network or the far end of a tunnel.
 */
#pragma once

#include "model/reachability.h"
#include "root.h"

/**
 * Reads all there is; what a captured machine has no file of is not needed by it. Disks that the
 * running system cannot be without come first.
 *
 * Returns 0; -ENOSPC where it is more than can be looked at; else the error of reading.
 */
_must_check_ int reachability_scan(const Root *root, Needs *ret);
