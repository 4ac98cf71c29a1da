/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe.d(5) was told by hand for virtual machines, and how to take it back. */
#pragma once

#include "host/modprobe-scan.h"
#include "model/setup.h"
#include "view/words.h"

typedef struct InitModprobeLine {
        char *path;
        ModprobeLine line;
} InitModprobeLine;

typedef struct InitModprobe {
        InitModprobeLine *lines;
        size_t n_lines;
        char ids[SETUP_IDS_SIZE]; /**< of vfio-pci: the last line's that has any; "": none */
} InitModprobe;

/** Reads all of it; the caller frees it by init_modprobe_done(). */
void init_modprobe_read(const Root *root, InitModprobe *ret);

/** Frees it; for `_cleanup_(init_modprobe_done)`. */
void init_modprobe_done(InitModprobe *modprobe);

/** Adds a remark on each line about vfio-pci or a driver of the chosen slot. */
void init_modprobe_remark(const InitModprobe *modprobe, const Root *root, const Setup *setup,
                          Lines *remarks);
