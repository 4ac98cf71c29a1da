/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which mode a boot goes to (DESIGN §8): what the kernel command line names, else a rescue system's
 * fallback mode, else default-mode. Pure.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "kernel-cmdline.h"
#include "run-state.h"

typedef struct BootChoice {
        char mode[CONFIG_NAME_SIZE];
        char reason[RUN_STATE_TEXT_SIZE]; /**< what decided, in words */
        bool as_asked;                    /**< false: a mode was named that does not exist */
} BootChoice;

/** Picks the mode. There always is one: an unknown name means the fallback mode. */
void boot_choose(const Config *config, const KernelCmdlineRequest *request, BootChoice *ret);
