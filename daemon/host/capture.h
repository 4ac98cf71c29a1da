/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything below a root that this project reads, for a report that `--root=` can read again. What
 * that is stands in one table (capture-table.c); a scenario holds it against what the programs
 * open.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/redact-file.h"
#include "root.h"

#define CAPTURE_ENTRIES_MAX 200000
#define CAPTURE_FILE_MAX (2 * 1024 * 1024) /* below what a read of /proc/sys may ask for */
#define CAPTURE_PATH_SIZE 1024

typedef enum CaptureKind {
        CAPTURE_FILE, /**< a regular file, be it through a link; that a directory is there */
        CAPTURE_LINK, /**< a link as such; what is none, as CAPTURE_NAME */
        CAPTURE_NAME, /**< that it is there: a directory, or an empty file */
        CAPTURE_TREE, /**< devices: attributes and links of known names, at whatever depth */
} CaptureKind;

/** A row of the table. */
typedef struct CaptureRow {
        const char *pattern; /**< of paths, as glob(7) has them, component by component */
        CaptureKind kind;
        RedactFile what; /**< of a file */
} CaptureRow;

/** The table; a row without a pattern ends it. */
extern const CaptureRow capture_rows[];

/** Whether the attribute of a device is taken; @ret: what of it. */
bool capture_takes_attribute(const char *directory, const char *name, RedactFile *ret);

/** Whether a link in the directory of a device is taken. */
bool capture_takes_link(const char *directory, const char *name);

/** Whether a directory of a device is taken as such, since it is looked whether it is there. */
bool capture_takes_directory(const char *name);

/** Whether there is nothing to take below a directory of a device. */
bool capture_leaves_directory(const char *name);

/** Whether a word stands alone in a name that the table has: were it taken out, `--root=` would not
 * find the file. */
bool capture_has_word(const char *word);

typedef struct CapturedFile {
        const char *path;
        RedactFile what;
        bool is_executable;
        uint64_t time; /**< of its last change, in us */
} CapturedFile;

/** Gets what is found. Each returns 0, or a negative errno that ends the capture. */
typedef struct CaptureSink {
        void *userdata;
        int (*file)(void *userdata, const CapturedFile *file, char *data,
                    size_t length); /**< @data may be changed, but not grow */
        int (*link)(void *userdata, const char *path, const char *target);
        int (*directory)(void *userdata, const char *path);
        int (*missed)(void *userdata, const char *path, int error); /**< it could not be read */
} CaptureSink;

/**
 * Goes through the table. A path that several rows name is given several times.
 *
 * @without_overrides: no driver_override is read, since a switch is under way (see host-scan.h)
 *
 * Returns 0; -ENOMEM; -E2BIG after CAPTURE_ENTRIES_MAX entries; or what the sink returned.
 */
_must_check_ int capture(const Root *root, bool without_overrides, const CaptureSink *sink);
