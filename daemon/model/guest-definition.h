/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guests that hypervisors have definitions of, as far as they name functions of the host. Pure.
 */
#pragma once

#include "guest-rom.h"
#include "proxmox-guest.h"
#include "vm-list.h"

#define GUEST_DEFINITIONS_MAX 128

typedef enum GuestHypervisor {
        GUEST_OF_LIBVIRT,
        GUEST_OF_PROXMOX,
        _GUEST_HYPERVISOR_MAX,
} GuestHypervisor;

typedef struct GuestDefinition {
        Vm vm; /**< its name, or number, and the functions that it is given; no word is told of it
                */
        GuestHypervisor hypervisor;
        bool is_autostarted;                      /**< with the machine */
        char hookscript[PROXMOX_HOOKSCRIPT_SIZE]; /**< of Proxmox VE, as it names it; "": none */
        GuestRoms roms;                           /**< files that it is given for those functions */
        uint64_t bound;                           /**< of Proxmox VE, as of ProxmoxGuest */
} GuestDefinition;

typedef struct GuestDefinitions {
        GuestDefinition guests[GUEST_DEFINITIONS_MAX]; /**< those that name any function */
        size_t n;
        size_t n_unread;    /**< whose functions cannot be known, or that find no room */
        bool dir_is_unread; /**< one of the directories: how many are in it is not known */
} GuestDefinitions;

#define GUEST_UNREAD_SIZE 64

/** Says that definitions could not be read, without a point; returns NULL where all could. */
const char *guest_definitions_unread(const GuestDefinitions *guests,
                                     char buffer[static GUEST_UNREAD_SIZE]);

/** Whether the guest names any function of a slot. */
bool guest_names_slot(const GuestDefinition *guest, PciAddress address);

/** Finds the first of some functions that Proxmox VE binds to vfio-pci for the guest by itself;
 * NULL where it leaves all of them to others, or the guest is not its. */
const PciAddress *guest_find_bound(const GuestDefinition *guest, const PciAddress *functions,
                                   size_t n);

/** The hypervisor's name. */
const char *guest_hypervisor_name(GuestHypervisor hypervisor);
