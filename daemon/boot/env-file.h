/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot environment's file. Written only in place: one pwrite(2) of the whole, never truncated,
 * never renamed, since GRUB sees neither a journal nor a page cache; fdatasync(2), read back. A
 * POSIX lock on the file itself keeps our two writers, vfio-moded and vfio-mode-apply, apart.
 */
#pragma once

#include "boot-place.h"
#include "model/boot-state.h"

/**
 * Reads the block.
 *
 * Returns 0; -ENOENT where there is no file; -EBADMSG where it is damaged, of another size, or not
 * ours; else the error of reading.
 */
_must_check_ int env_file_read(const Root *root, const char *path, BootState *ret);

/**
 * Makes the file with an idle block, or leaves one that is there alone, whatever it holds. GRUB
 * finds a new file after the next clean reboot at the latest.
 *
 * Returns 1 where it was made; 0 where there was one; else a negative errno.
 */
_must_check_ int env_file_create(const Root *root, const char *path);

/** Decides what a block becomes. Returns 1 where @state is to be written, 0 where not, or a
 * negative errno that ends the update. @damaged: @state is an empty one in the place of what could
 * not be read. */
typedef int (*EnvFileChange)(BootState *state, bool damaged, void *userdata);

/**
 * Reads, changes and writes the block under the lock. A damaged block is written anew.
 *
 * @refusal: filled where -EOPNOTSUPP is returned
 *
 * Returns 1 where it was written and read back; 0 where @change left it alone; -EOPNOTSUPP where
 * GRUB could not write this file any more (a backup shared its blocks); -EIO where what was read
 * back is something else; else the error.
 */
_must_check_ int env_file_update(const Root *root, const char *path, EnvFileChange change,
                                 void *userdata, Refusal *refusal);
