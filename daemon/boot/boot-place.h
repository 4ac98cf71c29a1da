/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How this machine boots, and where a boot environment can live that both GRUB and Linux can write:
 * beside GRUB's configuration, else on the ESP, else nowhere. Reads only.
 *
 * GRUB's drivers for ext4 and XFS do not replay the journal, and it writes by sector numbers that
 * it found by reading: so the file may not be copied on write, compressed, shared, inline or
 * journaled, and the disk must be a plain one (GRUB: grub-core/commands/loadenv.c,
 * disk/diskfilter.c).
 */
#pragma once

#include "boot-loader.h"
#include "model/refusal.h"

typedef struct BootPlace {
        BootLoader loader;
        char grub_directory[BOOT_PATH_SIZE]; /**< of grub.cfg, below the root without a leading
                                                slash: "boot/grub"; "": none */
        char path[BOOT_PATH_SIZE];           /**< of the block, below the root; "": no place */
        char unfit_path[BOOT_PATH_SIZE];     /**< of a block that GRUB reads, but that may not be
                                                written any more (see why_not); else "" */
        bool is_out_of_reach; /**< GRUB reads a block on a file system that is not mounted (see
                                 why_not): only GRUB knows what that says */
        char esp_uuid[FAT_UUID_SIZE]; /**< of the file system where the block is on the ESP; else ""
                                       */
        bool has_scripts;             /**< grub.cfg holds our script */
        char why_no_scripts[GRUB_REASON_SIZE]; /**< why grub.cfg was made without it, without a full
                                                  stop; "": not known */
        char own_default[BOOT_MENU_NAME_SIZE]; /**< as BootMenu has it, where GRUB is the loader:
                                                  boots go there, whatever is armed */
        bool default_is_fallback;              /**< likewise */
        const char *grub_command;              /**< makes grub.cfg anew */
        Refusal why_not; /**< kind REFUSAL_NONE where there is a place; else REFUSAL_NOT_SUPPORTED
                            with the reason and the manual route */
} BootPlace;

/**
 * Finds out how the machine boots and where the block is, or would be. An existing block that lies
 * where GRUB could not write it is refused like a place. Where the script in grub.cfg says what it
 * looks for, that is the place, or there is none: another one would not be read.
 *
 * Returns 0, also where there is no place; -ENOMEM or the error of reading /proc/self/mountinfo.
 */
_must_check_ int boot_place_find(const Root *root, BootPlace *ret);

/**
 * The same for whoever writes the next grub.cfg, inside grub-mkconfig: not the entries of the
 * present one count, but what grub_why_not_carried() says of the next. The reason is that text
 * then.
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
