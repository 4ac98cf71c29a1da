/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How this machine boots, and where a boot environment can live that both GRUB and Linux can write:
 * beside GRUB's configuration, else on the ESP, else nowhere. What differs between distributions is
 * judged here, and, while a grub.cfg is written, in conf/grub/grub-distribution.sh: what that says
 * stands in the grub.cfg and is taken over. Reads only.
 *
 * GRUB's drivers for ext4 and XFS do not replay the journal, and it writes by sector numbers that
 * it found by reading: so the file may not be copied on write, compressed, shared, inline or
 * journaled, and the disk must be a plain one (GRUB: grub-core/commands/loadenv.c,
 * disk/diskfilter.c).
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"
#include "model/refusal.h"

#define BOOT_PATH_SIZE 256
#define GRUB_REASON_SIZE 192

/** What loads the kernel. */
typedef enum BootLoader {
        BOOT_LOADER_UNKNOWN,
        BOOT_LOADER_GRUB,
        BOOT_LOADER_GRUB_BLS,     /**< Fedora: entries are files, grub.cfg is static */
        BOOT_LOADER_PROXMOX_TOOL, /**< proxmox-boot-tool: several ESPs, none mounted */
        BOOT_LOADER_SYSTEMD_BOOT,
        BOOT_LOADER_UKI, /**< a unified kernel image without a boot loader */
        _BOOT_LOADER_MAX,
} BootLoader;

typedef struct BootPlace {
        BootLoader loader;
        char grub_directory[BOOT_PATH_SIZE]; /**< of grub.cfg, below the root without a leading
                                                slash: "boot/grub"; "": none */
        char path[BOOT_PATH_SIZE];           /**< of the block, below the root; "": no place */
        char unfit_path[BOOT_PATH_SIZE];     /**< of a block that GRUB reads, but that may not be
                                                written     any more (see why_not); else "" */
        char esp_uuid[16]; /**< file system UUID where the block is on the ESP; else "" */
        bool has_scripts;  /**< grub.cfg holds our script */
        char why_no_scripts[GRUB_REASON_SIZE]; /**< why grub.cfg was made without it, without a full
                                                  stop; "": not known */
        const char *grub_command;              /**< makes grub.cfg anew */
        Refusal why_not; /**< kind REFUSAL_NONE where there is a place; else REFUSAL_NOT_SUPPORTED
                            with the reason and the manual route */
} BootPlace;

/** A loader's name for people: "GRUB", "systemd-boot", ... */
const char *boot_loader_name(BootLoader loader);

/** How to boot into a mode with kernel arguments by hand, in one sentence. */
const char *boot_loader_manual_route(BootLoader loader);

/**
 * Finds out how the machine boots and where the block is, or would be. An existing block that lies
 * where GRUB could not write it is refused like a place.
 *
 * Returns 0, also where there is no place; -ENOMEM or the error of reading /proc/self/mountinfo.
 */
_must_check_ int boot_place_find(const Root *root, BootPlace *ret);

/**
 * The same for whoever writes the next grub.cfg: that the entries of the present one are files does
 * not count, since grub-distribution.sh has judged those of the next.
 */
_must_check_ int boot_place_find_for_grub(const Root *root, BootPlace *ret);

/**
 * Whether the open block file is one that GRUB can write: a regular file of the right size with one
 * link, not shared, compressed, inline, journaled or on its way to the disk. Of another root than
 * the live one only size, kind and links are looked at.
 *
 * @path: for the reason
 *
 * Returns REFUSAL_NONE, or REFUSAL_NOT_SUPPORTED with the reason.
 */
RefusalKind boot_place_check_file(const Root *root, int fd, const char *path, Refusal *refusal);
