/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hooks made by hand that move a device beside us.
 */
#pragma once

#include "conflicts.h"
#include "model/guest-definition.h"

/**
 * Finds files below /etc/libvirt/hooks that name one of the functions, or load or unload a driver
 * of it: `qemu` itself, what `qemu.d` has in whatever directories of its own, as dispatchers of
 * hooks have it, and files of settings beside them, such as kvm.conf. One that asks vfio-modectl is
 * none.
 *
 * @ret: added to, at most one for each file
 */
void hook_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                         size_t n_functions, Conflicts *ret);

/** The same of the hookscripts that guests of Proxmox VE have. */
void hook_conflicts_find_proxmox(const Root *root, const Host *host, const PciAddress *functions,
                                 size_t n_functions, const GuestDefinitions *guests,
                                 Conflicts *ret);
