/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `init` writes: a configuration with the reason of each choice beside it. */
#pragma once

#include "ctl/init-grub.h"
#include "host/pci-names.h"
#include "model/setup.h"

/** What somebody was asked. */
typedef struct InitAnswers {
        bool end_sessions, switch_for_vm, shared_driver;
        bool needs_shared_driver; /**< a switch is refused without that consent */
} InitAnswers;

/** Writes the configuration. The caller frees it.
 *
 * @grub: two GRUB files to take words and hugepages from; NULL: none
 */
char *init_text_make(const Setup *setup, const InitGrub *grub, const InitAnswers *answers,
                     PciNames *names);
