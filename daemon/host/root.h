/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one door to the machine: every file is reached below one injected root directory, so that a
 * test, `--root=DIR` and the real machine take the same path through the code.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"

typedef struct Root {
        int fd;       /**< O_PATH descriptor of the directory */
        bool is_live; /**< it is /: systemd and the module loader may be asked, too */
} Root;

#define ROOT_NULL ((Root){ .fd = -1 })

/** Opens the root directory; @path NULL or "/" is the live machine. Returns 0 or open(2)'s error.
 */
_must_check_ int root_open(const char *path, Root *ret);

/** Closes it; for `_cleanup_(root_close)`. */
void root_close(Root *root);
