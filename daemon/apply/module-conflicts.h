/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What modprobe.d(5) and the kernel command line say of a mode's devices. None of it keeps a switch
 * from working, so all of it is a warning, and only for a check.
 */
#pragma once

#include "host/conflicts.h"

/**
 * Adds what is found of functions that a mode has on vfio-pci: their ids in `ids=` of vfio-pci, a
 * soft dependency of their host driver on vfio-pci, and a command in place of vfio-pci. What keeps
 * their host drivers away is the check of these.
 *
 * @functions: theirs; one that @host does not have is passed over
 */
void module_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                           size_t n_functions, Conflicts *conflicts);
