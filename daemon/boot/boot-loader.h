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

typedef struct GrubConfig {
        char directory[BOOT_PATH_SIZE]; /**< that has a grub.cfg; "": none */
        bool has_scripts;
        bool is_bls; /**< the entries are files of their own */
} GrubConfig;

/** Finds GRUB's configuration. Returns 0, also where there is none, or -ENOMEM. */
_must_check_ int grub_config_find(const Root *root, GrubConfig *ret);

/** Finds the boot loader. */
BootLoader boot_loader_find(const Root *root, const GrubConfig *grub);
