/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files: read whole into a bounded buffer, written by one write(2). All paths are relative
 * to a directory descriptor, and every descriptor is O_CLOEXEC.
 */
#pragma once

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"

/**
 * Reads a whole file into @buffer and terminates it with a NUL byte.
 *
 * Returns its length; -EFBIG where it does not fit with its NUL; else open(2)'s or read(2)'s error.
 */
_must_check_ ssize_t file_read_at(int dir_fd, const char *path, char *buffer, size_t size);

/**
 * Reads a small attribute by a single read(2), as sysfs gives it: its first line, without the
 * newline.
 *
 * Returns the line's length, or as file_read_at().
 */
_must_check_ ssize_t file_read_line_at(int dir_fd, const char *path, char *buffer, size_t size);

/**
 * Reads a whole file of at most @max bytes into new memory.
 *
 * @ret: NUL-terminated, the caller frees it; untouched on failure
 *
 * Returns its length; -EFBIG where it is longer; -ENOMEM; else open(2)'s or read(2)'s error.
 */
_must_check_ ssize_t file_read_alloc_at(int dir_fd, const char *path, size_t max, char **ret);

/**
 * The same of a plain file only, which somebody else may have named: nothing else is waited for or
 * woken by being opened.
 *
 * @ret_mode: its mode (inode(7))
 *
 * Returns as file_read_alloc_at(); -EISNAM where it is something else.
 */
_must_check_ ssize_t file_read_plain_at(int dir_fd, const char *path, size_t max, char **ret,
                                        mode_t *ret_mode);

/**
 * Writes @text to an existing file by a single write(2), as sysfs wants it.
 *
 * Returns 0; -EIO where the kernel took only a part; else open(2)'s or write(2)'s error.
 */
_must_check_ int file_write_at(int dir_fd, const char *path, const char *text);

/**
 * Puts a file in place whole or not at all: a temporary file beside it, then rename(2). Not synced:
 * for /run, which no power cut survives anyway. Readable to all, as far as the umask lets it be; a
 * process killed in between leaves PATH.PID.tmp behind, for file_sweep_at() to take away.
 *
 * Returns 0 or a negative errno; on failure the old file stands.
 */
_must_check_ int file_replace_at(int dir_fd, const char *path, const char *text, size_t length);

/** As file_replace_at(), for what a power cut is not to take: synced, its directory as well. And
 * readable to all, whatever the umask. */
_must_check_ int file_replace_synced_at(int dir_fd, const char *path, const char *text,
                                        size_t length);

/** As file_replace_at(), readable to the owner only. */
_must_check_ int file_replace_private_at(int dir_fd, const char *path, const char *text,
                                         size_t length);

/** The name of the temporary file of this process beside @path: PATH.PID.tmp. Returns 0, or
 * -ENAMETOOLONG. */
_must_check_ int file_temporary_name(const char *path, char *buffer, size_t size);

/**
 * Takes away what killed processes have left in a directory: NAME.PID.tmp where no such process is
 * there any more. Where another one has that PID by now, or it cannot be removed, it stays for the
 * next time.
 */
void file_sweep_at(int dir_fd, const char *path);

/** Opens a directory to be read; the caller closes it. Returns NULL with errno set. */
DIR *file_open_dir_at(int dir_fd, const char *path);

/**
 * Reads the last path component of a symbolic link's target, which is how sysfs names a device's
 * driver or IOMMU group.
 *
 * Returns its length; -ENAMETOOLONG where it does not fit; else readlink(2)'s error (-ENOENT: no
 * such link).
 */
_must_check_ ssize_t file_read_link_name_at(int dir_fd, const char *path, char *buffer,
                                            size_t size);

/** The same for the component before the last, which is how sysfs names the device above. Returns
 * its length; -ENOENT also where the target has no such component; else as
 * file_read_link_name_at(). */
_must_check_ ssize_t file_read_link_parent_at(int dir_fd, const char *path, char *buffer,
                                              size_t size);
