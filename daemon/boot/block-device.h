/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether GRUB can write to a disk: to a plain one it can, to what Linux builds out of disks it
 * cannot (GRUB: disk/diskfilter.c, "diskfilter writes are not supported").
 */
#pragma once

#include <stddef.h>

#include "host/root.h"

/**
 * Looks for a reason against a block device.
 *
 * @device: "8:1"
 *
 * Returns NULL for a disk or a partition of one; else what to say of a file: "is on LVM, ...".
 */
const char *block_device_problem(const Root *root, const char *device);

/** Finds the kernel's name of a block device: "sda1". Returns 0 or a negative errno. */
_must_check_ int block_device_name(const Root *root, const char *device, char *ret, size_t size);

/**
 * Finds the UUID of the FAT file system on a device, as GRUB's search wants it: "1A2B-3C4D".
 *
 * Returns 0, or -ENOENT where it is not known.
 */
_must_check_ int block_device_fat_uuid(const Root *root, const char *device, char *ret,
                                       size_t size);
