/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/default/grub, as far as it can be known without a shell: it is one, sourced by grub-mkconfig
 * (GNU GRUB manual, "Simple configuration handling"). Assignments are followed as sh(1) makes them;
 * whatever else there is, is an error, since it could do anything. Nothing is ever run. Pure.
 */
#pragma once

#include "kernel-cmdline.h"

#define GRUB_DEFAULT_SIZE_MAX (256 * 1024)

/** What the file has for the kernel. */
typedef struct GrubDefault {
        char linux_words[KERNEL_CMDLINE_MAX];   /**< GRUB_CMDLINE_LINUX: of every entry */
        char default_words[KERNEL_CMDLINE_MAX]; /**< GRUB_CMDLINE_LINUX_DEFAULT: of all but the
                                                   recovery entries */
} GrubDefault;

typedef struct GrubDefaultError {
        unsigned line; /**< 0: the file as a whole */
        char text[192];
} GrubDefaultError;

/**
 * Parses it: comments, NAME=VALUE, NAME+=VALUE (which only some shells have) and `export` of these;
 * quotes, backslashes, and $NAME and ${NAME} of what the file has set before, or of GRUB_CMDLINE_*,
 * which is empty until then. A value that takes a shell to know is an error only where one of the
 * two variables has it.
 *
 * @ret: untouched on failure
 * @error: filled where -EBADMSG
 *
 * Returns 0; -EBADMSG where the words cannot be known, or neither variable is set; -ENOMEM.
 */
_must_check_ int grub_default_parse(const char *text, GrubDefault *ret, GrubDefaultError *error);

/**
 * Whether a line of a shell script begins with an assignment of one of the two variables, whatever
 * else there is in it: for files that are read after this one.
 */
bool grub_default_sets(const char *text);
