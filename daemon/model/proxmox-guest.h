/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of the host that a guest of Proxmox VE is given, out of its configuration
 * (qm.conf(5)): hostpciN lines, by address or by the name of a mapping; the files that it is given
 * as their ROMs; and its hookscript. Pure.
 */
#pragma once

#include "guest-rom.h"
#include "vm-list.h"

#define PROXMOX_GUEST_SIZE_MAX (512 * 1024) /* of a guest's file, as pmxcfs has it */
#define PROXMOX_MAPPINGS_MAX 16
#define PROXMOX_MAPPING_SIZE 64
#define PROXMOX_HOOKSCRIPT_SIZE 256
#define PROXMOX_PATH_SIZE 512

typedef struct ProxmoxMapping {
        char name[PROXMOX_MAPPING_SIZE];
        char rom[GUEST_ROM_PATH_SIZE]; /**< as written; "": none */
        bool is_kept;                  /**< driver=keep */
} ProxmoxMapping;

typedef struct ProxmoxGuest {
        ProxmoxMapping mappings[PROXMOX_MAPPINGS_MAX]; /**< still to be looked up */
        size_t n_mappings;
        GuestRoms roms;
        uint64_t bound; /**< a bit for each of the Vm's addresses: Proxmox VE binds it to vfio-pci
                           by itself, for want of driver=keep */
        bool onboot;    /**< it starts with the machine */
        char hookscript[PROXMOX_HOOKSCRIPT_SIZE]; /**< "STORAGE:snippets/NAME"; "": none */
} ProxmoxGuest;

/**
 * Reads a guest's file as far as it is of the present, and not of a snapshot. A slot without a
 * function stands for all eight.
 *
 * @vm: its addresses are added to
 *
 * Returns 0; -EBADMSG where a hostpci line cannot be understood; -E2BIG where there are more
 * functions, or mappings, than fit.
 */
_must_check_ int proxmox_guest_parse(const char *text, Vm *vm, ProxmoxGuest *ret);

/** Writes the file of a guest that is given these functions, and for some of them a ROM file that
 * is called GUEST_ROM_UNNAMED, or driver=keep, and of which nothing else is known, for
 * proxmox_guest_parse().
 *
 * @bound: as of ProxmoxGuest
 *
 * Returns new memory, which the caller frees; NULL where there is none.
 */
char *proxmox_guest_format(const Vm *vm, const GuestRoms *roms, uint64_t bound, bool onboot);

/**
 * Adds what a mapping stands for on a node.
 *
 * @text: /etc/pve/mapping/pci.cfg
 * @guest: whose mapping it is; its ROM is added for each of the devices that it may stand for
 *
 * Returns as proxmox_guest_parse(); 0 also where there is no such mapping.
 */
_must_check_ int proxmox_mapping_parse(const char *text, const ProxmoxMapping *mapping,
                                       const char *node, Vm *vm, ProxmoxGuest *guest);

/**
 * Finds where a storage's files are.
 *
 * @text: /etc/pve/storage.cfg
 * @name: of the storage, which needs no end
 *
 * Returns 0, with an absolute path; -ENOENT where there is no such storage, or it is none of files;
 * -ENAMETOOLONG.
 */
_must_check_ int proxmox_storage_parse(const char *text, const char *name, size_t length,
                                       char path[static PROXMOX_PATH_SIZE]);
