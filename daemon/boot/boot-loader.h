/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which boot loader this machine has: GRUB's configuration, and the EFI variables that systemd-boot
 * and systemd-stub leave at each boot (systemd: docs/BOOT_LOADER_INTERFACE.md). All that differs
 * between distributions is judged here, also for GRUB's scripts (conf/grub), which ask
 * vfio-mode-apply.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"
#include "model/boot-menu.h"

#define BOOT_PATH_SIZE 256
#define GRUB_REASON_SIZE 192
#define FAT_UUID_SIZE 16
#define GRUB_CFG_MAX (4 * 1024 * 1024)
/** What our script begins its part of grub.cfg with. */
#define GRUB_SCRIPT_MARK "### vfio-mode environment ###"
/** What it leaves there instead where no mode can be chosen; the reason follows. */
#define GRUB_SCRIPT_REFUSAL "# vfio-mode: no mode can be chosen for the next boot: "

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

/** A loader's name for people: "GRUB", "systemd-boot", ... */
const char *boot_loader_name(BootLoader loader);

/** How to boot into a mode with kernel arguments by hand, in one sentence. */
const char *boot_loader_manual_route(BootLoader loader);

/** Where a loader but GRUB has the words for the kernel that every boot gets, and how it takes them
 * over: the end of a sentence that says "take it out of", without a full stop. */
const char *boot_loader_words(BootLoader loader);

/** Where the script in grub.cfg looks for the boot environment. */
typedef enum GrubLooks {
        GRUB_LOOKS_NOWHERE, /**< no script, or none that says so */
        GRUB_LOOKS_BESIDE,  /**< grub.cfg */
        GRUB_LOOKS_ON_ESP,
} GrubLooks;

typedef struct GrubConfig {
        char directory[BOOT_PATH_SIZE]; /**< that has a grub.cfg; "": none */
        bool has_scripts;
        GrubLooks looks;
        char esp_uuid[FAT_UUID_SIZE];          /**< of GRUB_LOOKS_ON_ESP */
        char why_no_scripts[GRUB_REASON_SIZE]; /**< what the script said instead, without a full
                                                  stop; "": nothing */
        bool is_bls; /**< the entries are files of their own; never with our script */
        char own_default[BOOT_MENU_NAME_SIZE]; /**< as BootMenu has it */
        bool default_is_fallback;              /**< likewise */
} GrubConfig;

/** Finds GRUB's configuration. Returns 0, also where there is none, or -ENOMEM. */
_must_check_ int grub_config_find(const Root *root, GrubConfig *ret);

/** The command that makes grub.cfg anew on this machine. */
const char *grub_config_command(const Root *root, const GrubConfig *grub);

/**
 * Why the grub.cfg that is being written has no menu entries that could be repeated for a mode:
 * part of a sentence, without a full stop; NULL where it has. By what grub-mkconfig exports to the
 * scripts that it runs.
 */
const char *grub_why_no_entries(void);

/** Why no variable of GRUB's would come to the kernel with that grub.cfg; else as before. */
const char *grub_why_not_carried(void);

/** Finds the boot loader. */
BootLoader boot_loader_find(const Root *root, const GrubConfig *grub);
