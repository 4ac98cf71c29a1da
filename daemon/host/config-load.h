/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads configuration files for model/config: /etc/vfio-mode.ini with its drop-ins, a single file,
 * or the copy of what was accepted at the last switch.
 */
#pragma once

#include "model/config.h"
#include "root.h"

#define CONFIG_PATH "etc/vfio-mode.ini"
#define CONFIG_MISSING "There is no /" CONFIG_PATH "; vfio-modectl init proposes one."
#define CONFIG_DROPIN_DIR "etc/vfio-mode.ini.d"
#define CONFIG_DROPINS_MAX 64
#define CONFIG_ACCEPTED_PATH "run/vfio-mode/config"

/** The files that were read; the errors point into it, so it must live as long as they. */
typedef struct ConfigFiles {
        char *names[1 + CONFIG_DROPINS_MAX];
        char *texts[1 + CONFIG_DROPINS_MAX];
        size_t sizes[1 + CONFIG_DROPINS_MAX]; /**< bytes; a text may hold NUL bytes, which are
                                                 refused */
        size_t n_files;
} ConfigFiles;

/** Frees what was read; for `_cleanup_(config_files_done)`. */
void config_files_done(ConfigFiles *files);

/**
 * Reads and parses /etc/vfio-mode.ini and /etc/vfio-mode.ini.d/<name>.ini in alphabetical order.
 *
 * @files: must be empty ({0}); the caller ends it with config_files_done()
 * @ret: untouched on failure
 * @errors: filled on -EINVAL; and, with one error without a line, on every other failure
 *
 * Returns 0; -ENOENT where there is no /etc/vfio-mode.ini; -EINVAL; else the error of reading.
 */
_must_check_ int config_load(const Root *root, ConfigFiles *files, Config *ret,
                             ConfigErrors *errors);

/** The same for one file at @path as the process sees it (not below a root), without drop-ins. */
_must_check_ int config_load_file(const char *path, ConfigFiles *files, Config *ret,
                                  ConfigErrors *errors);

/** The same for the copy in /run/vfio-mode of what was accepted at the last switch. */
_must_check_ int config_load_accepted(const Root *root, ConfigFiles *files, Config *ret,
                                      ConfigErrors *errors);
