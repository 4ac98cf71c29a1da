/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which mode a boot goes to (DESIGN §8), first of: what the kernel command line names; a rescue
 * system's fallback mode; the one-shot EFI variable; default-mode, unless the last boots into it
 * were left unconfirmed. Pure.
 */
#pragma once

#include "boot-record.h"
#include "boot-state.h"
#include "config.h"
#include "kernel-cmdline.h"
#include "refusal.h"

/** What a boot's mode is picked from. */
typedef struct BootChoiceInput {
        const Config *config;
        int cmdline_result; /**< < 0: the kernel command line cannot be read, and what it asks for
                               is not known */
        KernelCmdlineRequest request;
        BootMarker marker;               /**< of this boot's command line */
        char efi_mode[CONFIG_NAME_SIZE]; /**< of the one-shot EFI variable; "": none */
        int efi_result;      /**< < 0: it is there and was not obeyed, since it cannot be read
                                or deleted */
        BootRecord previous; /**< of the boot before; valid where previous_result is 0 */
        int previous_result; /**< 0; -ENOENT: there was none; else why the count of unconfirmed
                                boots is not known, or cannot be kept */
} BootChoiceInput;

typedef struct BootChoice {
        BootSource source;
        char wanted[CONFIG_NAME_SIZE]; /**< the mode that the source names; "": an unknown one */
        char mode[CONFIG_NAME_SIZE];
        char reason[RUN_STATE_TEXT_SIZE]; /**< what decided, in words */
        RefusalKind kind; /**< REFUSAL_NONE; else why it is the fallback mode instead of what was
                             asked for */
        bool fell_back;   /**< it is the fallback mode because an earlier boot was not good, or GRUB
                             or the count could not vouch for this one: worth a person's attention */
        unsigned unconfirmed; /**< BootRecord.unconfirmed, with this boot counted */
} BootChoice;

/**
 * Whether a boot is none through GRUB but has the command line of the one before: kexec, or GRUB's
 * write was lost. Kinds that repeat by nature, such as `expired`, mean no mode and do not count.
 */
bool boot_is_repeated(const BootMarker *marker, const BootMarker *before);

/** Picks the mode. There always is one: whatever is unknown or damaged means the fallback mode. */
void boot_choose(const BootChoiceInput *input, BootChoice *ret);
