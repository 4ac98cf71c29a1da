/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which boot loader this machine has: GRUB's configuration, and the EFI variables that systemd-boot
 * and systemd-stub leave at each boot (systemd: docs/BOOT_LOADER_INTERFACE.md).
 */
#pragma once

#include "boot-place.h"

#define GRUB_CFG_MAX (4 * 1024 * 1024)
/** What our script begins its part of grub.cfg with. */
#define GRUB_SCRIPT_MARK "### vfio-mode environment ###"
/** What it leaves there instead where no mode can be chosen; the reason follows. */
#define GRUB_SCRIPT_REFUSAL "# vfio-mode: no mode can be chosen for the next boot: "

typedef struct GrubConfig {
        char directory[BOOT_PATH_SIZE]; /**< that has a grub.cfg; "": none */
        bool has_scripts;
        char why_no_scripts[GRUB_REASON_SIZE]; /**< what the script said instead, without a full
                                                  stop; "": nothing */
        bool is_bls; /**< the entries are files of their own; never with our script */
} GrubConfig;

/** Finds GRUB's configuration. Returns 0, also where there is none, or -ENOMEM. */
_must_check_ int grub_config_find(const Root *root, GrubConfig *ret);

/** The command that makes grub.cfg anew on this machine. */
const char *grub_config_command(const Root *root, const GrubConfig *grub);

/** Finds the boot loader. */
BootLoader boot_loader_find(const Root *root, const GrubConfig *grub);
