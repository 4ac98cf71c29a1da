/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `init --from-grub`: two hand-made /etc/default/grub, and what there is to say of their words. */
#pragma once

#include "host/root.h"
#include "model/grub-modes.h"
#include "view/words.h"

typedef struct InitGrub {
        const char *host, *passthrough; /**< the files, as they were named */
        GrubDefault files[2];
        GrubModes modes;
        char *cmdline; /**< all words of both, the host's first */
} InitGrub;

/**
 * Reads them; what is wrong is said on stderr here.
 *
 * @ret: the caller ends it by init_grub_freep(); untouched on failure
 *
 * Returns EXIT_CODE_DONE, or the program's exit code.
 */
int init_grub_read(const char *host, const char *passthrough, InitGrub **ret);

/** Frees it; for `_cleanup_(init_grub_freep)`. */
void init_grub_freep(InitGrub **grub);

/** Adds a remark on each word that is not merely kept, and the commands for GRUB's own file. */
void init_grub_remark(const InitGrub *grub, const Root *root, Lines *remarks);
