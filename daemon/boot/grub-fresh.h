/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether GRUB's configuration is newer than what grub-mkconfig(8) makes it from. Reads only. */
#pragma once

#include "boot-loader.h"
#include "host/root.h"

/**
 * Finds a file that was changed since: /etc/default/grub, its .d, and the scripts.
 *
 * @grub_directory: of grub.cfg, below the root
 * @ret: its path, below the root
 *
 * Returns 1; 0 where there is none; else the error of looking at grub.cfg.
 */
_must_check_ int grub_find_newer_source(const Root *root, const char *grub_directory,
                                        char ret[static BOOT_PATH_SIZE]);
