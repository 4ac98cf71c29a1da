/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person has put into the initramfs so that it gives a device to vfio-pci, in every boot and
 * before anything of ours. A switch moves the device all the same, so all of it is a warning.
 */
#pragma once

#include "conflicts.h"

/**
 * Adds what is found of functions that a mode has on vfio-pci: their ids in a line of
 * initramfs-tools' list of modules, and scripts of initramfs-tools, mkinitcpio and dracut that give
 * them to a driver. What modprobe.d(5) says is not looked at, though it is in the image, too.
 *
 * @functions: theirs; one that @host does not have is passed over
 */
void initramfs_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                              size_t n_functions, Conflicts *ret);
