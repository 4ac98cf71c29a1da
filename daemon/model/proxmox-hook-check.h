/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a guest of Proxmox VE asks vfio-mode by its hookscript, which host/hook-facts reads, and
 * leaves drivers to it. Pure.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "guest-definition.h"
#include "inspection.h"

typedef struct ProxmoxHookFacts {
        char path[PROXMOX_PATH_SIZE]; /**< of the hookscript, below the root; "": not known */
        bool is_there, is_executable;
        bool is_ours; /**< it asks vfio-mode */
} ProxmoxHookFacts;

/** Adds the check `proxmox-hook` of a guest that names a device of the mode's. */
void proxmox_hook_check(const GuestDefinition *guest, const ProxmoxHookFacts *facts,
                        const ConfigMode *mode, Inspection *ret);

/** Adds one more, of who binds the mode's devices.
 *
 * @bound: one that Proxmox VE binds by itself; NULL: none
 */
void proxmox_driver_check(const GuestDefinition *guest, const PciAddress *bound, Inspection *ret);
