/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was put into the initramfs of a kernel, noted beside it when it was made: the configuration,
 * byte for byte, and which program. To look into an image itself would take seconds, and its tool.
 */
#pragma once

#include <limits.h>
#include <stddef.h>

#include "boot-history.h"
#include "host/config-load.h"

#define INITRAMFS_DIR STATE_DIR "/initramfs" /* a file for each image */

/** A program that makes initramfs images. */
typedef struct InitramfsTool {
        const char *name;
        const char *renew; /**< the command that makes all of its images anew */
        const char *before,
                *behind; /**< of the kernel in an image's path; NULL: it has no one path */
} InitramfsTool;

/** What is noted of all images, against what is there now. */
typedef struct InitramfsStamps {
        size_t n_images; /**< of kernels that are installed */
        size_t n_stale;  /**< the configuration or the program has changed since they were made; the
                              image is older than what was noted for it; or they are not noted,
                              while another installed kernel's is */
        char stale[NAME_MAX + 1];  /**< the first of these by name, such as "dracut-6.12.9" */
        const InitramfsTool *tool; /**< that made it, or another one; NULL: none is stale */
} InitramfsStamps;

/**
 * Finds the tool in an image's name, TOOL-KERNEL.
 *
 * Returns NULL where it names none, no kernel, or what is no file's name.
 */
const InitramfsTool *initramfs_tool_of(const char *image);

/**
 * Notes what an image takes; on the disk when it returns.
 *
 * @image: as initramfs_tool_of() knows it
 * @files: the configuration
 *
 * Returns 0 or a negative errno.
 */
_must_check_ int initramfs_stamp_write(const Root *root, const char *image,
                                       const ConfigFiles *files);

/** Forgets an image, where it was noted. */
void initramfs_stamp_remove(const Root *root, const char *image);

/**
 * Compares what is noted of each image with what it would take now. Those of kernels that are
 * not in /usr/lib/modules any more are passed over.
 *
 * @files: the configuration as it is now
 * @ret: filled, also on failure, with what was found until then
 *
 * Returns 0, also where no image is noted; else a negative errno.
 */
_must_check_ int initramfs_stamps_compare(const Root *root, const ConfigFiles *files,
                                          InitramfsStamps *ret);
