/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one-shot EFI variable: the name of the mode for the next boot, for modes that need no kernel
 * arguments on machines where GRUB cannot carry it. Read and deleted by vfio-mode-boot before it
 * acts.
 * Kernel: Documentation/filesystems/efivarfs.rst. Four bytes of attributes, then the data.
 * Variables that the kernel does not know are immutable files: deleting or replacing one takes
 * CAP_LINUX_IMMUTABLE.
 */
#pragma once

#include "host/root.h"
#include "model/config.h"

#define EFI_VARIABLES_DIR "sys/firmware/efi/efivars"
#define EFI_ONE_SHOT_NAME "VfioModeOneShot-6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44"

/** Whether there are EFI variables that can be written. */
bool efi_is_available(const Root *root);

/**
 * Reads the mode.
 *
 * Returns 1; 0 where there is no variable; -EBADMSG where it holds no mode's name; else the error.
 */
_must_check_ int efi_one_shot_read(const Root *root, char ret[static CONFIG_NAME_SIZE]);

/** Writes the variable, in the place of an old one. Returns 0 or a negative errno. */
_must_check_ int efi_one_shot_write(const Root *root, const char *mode);

/** Deletes the variable. Returns 0, also where there is none, or a negative errno. */
_must_check_ int efi_one_shot_delete(const Root *root);
