/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the facts that a plan needs from sysfs. Reads only, and only what the kernel caches: no
 * config space, so that a sleeping card stays asleep. Its cost does not depend on how many other
 * functions the machine has, unless a device is configured by its id alone.
 */
#pragma once

#include "model/config.h"
#include "model/host.h"
#include "model/run-state.h"
#include "root.h"

/**
 * Reads memory and its pools where a mode wants hugepages or some are to be given back. Looks at
 * the configured slots, at what we moved, at every function whose id is configured without an
 * address, and at the other members of all their IOMMU groups.
 *
 * @config: may be NULL: then only what @state names
 *
 * Returns 0; -ENOSPC where there are more than HOST_FUNCTIONS_MAX; else the error of reading sysfs.
 */
_must_check_ int host_scan(const Root *root, const Config *config, const RunState *state,
                           Host *ret);

/**
 * The same beside a switch whose writer is in the kernel: no driver_override is read, which waits
 * for a stuck driver (before kernel 6.12.80).
 */
_must_check_ int host_scan_beside(const Root *root, const Config *config, const RunState *state,
                                  Host *ret);

/**
 * Looks at every function of the machine, and at its memory (for a person's list).
 *
 * Returns as host_scan(); with -ENOSPC @ret holds as many as fit.
 */
_must_check_ int host_scan_all(const Root *root, Host *ret);

/** The same as host_scan_beside() does. */
_must_check_ int host_scan_all_beside(const Root *root, Host *ret);

/** Reads one function. Returns 0; -ENOENT where there is none; else the error of reading sysfs. */
_must_check_ int host_scan_function(const Root *root, PciAddress address, Function *ret);

/** The same without its driver_override, which would wait for a driver that is stuck. */
_must_check_ int host_look_at_function(const Root *root, PciAddress address, Function *ret);
