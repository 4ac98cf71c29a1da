/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The menu of a boot loader, as a person will meet it: what grub.cfg says of it. Pure. */
#pragma once

#include <stdbool.h>

#define BOOT_MENU_WAITS (-1) /* for a pick, as long as it takes */
#define BOOT_MENU_NAME_SIZE 256

typedef struct BootMenu {
        bool is_hidden; /**< it is not shown unless a key is held while it starts */
        int timeout;    /**< in seconds; BOOT_MENU_WAITS */
        bool has_entry; /**< for the fallback mode */
        char own_default[BOOT_MENU_NAME_SIZE]; /**< the default entry, by its title or id, where it
                                                  is one of ours, which names its own mode; else
                                                  "", also where only GRUB knows */
        bool default_is_fallback;              /**< that one is known to be of the fallback mode */
} BootMenu;

/**
 * Reads grub.cfg, whose first `timeout` after its `timeout_style` counts: what comes before is for
 * the boot after one that has failed, and what comes later for GRUBs without styles (GRUB:
 * util/grub.d/00_header.in). Our own entries have ids by which they are known
 * (conf/grub/11_vfio-mode.in).
 */
void boot_menu_parse(const char *grub_cfg, BootMenu *ret);
