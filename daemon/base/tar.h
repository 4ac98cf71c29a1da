/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a tar archive (POSIX.1-2017, pax interchange format) entry by entry: nothing is kept in
 * memory. Only what a captured machine is made of: files, directories, symbolic links.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cleanup.h"

typedef struct TarWriter {
        FILE *file;       /**< the caller's */
        uint64_t n_bytes; /**< written so far */
        uint64_t n_entries;
} TarWriter;

/**
 * Adds a regular file, root's.
 *
 * @path: relative, without a slash in front
 * @mode: its permissions
 * @time: of its last change, in us since 1970
 *
 * Returns 0; -EINVAL for a path that tar cannot carry; -ENOMEM; or the error of writing.
 */
_must_check_ int tar_add_file(TarWriter *tar, const char *path, unsigned mode, uint64_t time,
                              const char *data, size_t length);

/** Adds a directory of mode 0755. Those above an entry need not be added. Returns as
 * tar_add_file(). */
_must_check_ int tar_add_directory(TarWriter *tar, const char *path);

/** Adds a symbolic link. Returns as tar_add_file(). */
_must_check_ int tar_add_link(TarWriter *tar, const char *path, const char *target);

/** Ends the archive, which is flushed, but not synced. Returns 0 or the error of writing. */
_must_check_ int tar_end(TarWriter *tar);
