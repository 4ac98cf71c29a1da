/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which file system a path lies on, by /proc/self/mountinfo. In a service's mount namespace the
 * same file system stands there several times, bound read-only or not: the super block's options
 * and the device are the same in each line.
 * Kernel: Documentation/filesystems/proc.rst, 3.5.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"

#define MOUNT_TYPE_SIZE 32

typedef struct MountInfo {
        char device[24]; /**< "8:1" */
        char root[256];  /**< what of the file system is mounted there: "/" is all of it */
        char point[256]; /**< where: "/boot" */
        char type[MOUNT_TYPE_SIZE]; /**< "ext4" */
        char source[256];           /**< what was mounted: "/dev/sda1", or any word */
        char options[512];          /**< of the super block, not of the mount: "rw,data=journal" */
} MountInfo;

/**
 * Reads the table.
 *
 * @ret: the caller frees it
 *
 * Returns 0 or a negative errno.
 */
_must_check_ int mount_info_read(const Root *root, char **ret);

/** Takes the next line that is a mount; @cursor is the table at first. Returns false at its end. */
bool mount_info_next(const char **cursor, MountInfo *ret);

/** Finds the mount that @path (absolute, but without the leading slash) lies in. Returns false
 * where there is none. */
bool mount_info_find(const char *table, const char *path, MountInfo *ret);

/** Finds a mount's type by the mount's id. Returns whether that is in the table; @ret is "" where
 * its line has no type, or one that is too long. */
bool mount_info_type(const char *table, int id, char ret[static MOUNT_TYPE_SIZE]);

/** Whether the super block has an option, such as "ro". */
bool mount_info_has_option(const MountInfo *mount, const char *option);
