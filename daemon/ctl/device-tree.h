/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `list-devices --tree`: the machine by IOMMU group.
 */
#pragma once

#include "ctl/arguments.h"
#include "host/pci-names.h"
#include "view/machine.h"

/** Prints the tree, or its JSON. */
void device_tree_print(const Arguments *arguments, const Machine *machine, PciNames *names);
