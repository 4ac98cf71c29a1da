/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The next boot as one thing: what is armed by which means, what will decide, and the changes that
 * can be made. Used by vfio-moded (SetNextBoot and its like), by vfio-mode-apply (confirm, disarm)
 * and by what describes the machine.
 */
#pragma once

#include "boot-history.h"
#include "boot-place.h"
#include "model/boot-state.h"
#include "model/config.h"

/** Room for one line of next_boot_drift(). */
#define NEXT_BOOT_DRIFT_SIZE 512

/** What takes care that a failed boot is followed by one in the fallback mode. */
typedef enum NextBootProtection {
        NEXT_BOOT_PROTECTION_NONE, /**< "none" */
        NEXT_BOOT_PROTECTION_GRUB, /**< "grub": the block, which GRUB has been seen to write */
        NEXT_BOOT_PROTECTION_EFI,  /**< "efi": the one-shot variable */
} NextBootProtection;

/** All that is known; what cannot be read is left empty, and its result says why. */
typedef struct NextBoot {
        BootPlace place;
        int place_result;
        BootState state;                 /**< of the block */
        int state_result;                /**< of env_file_read(); -ENOENT without a place */
        BootMarker marker;               /**< of the running boot */
        char efi_mode[CONFIG_NAME_SIZE]; /**< of the one-shot variable; "": none */
        bool efi_available;
        BootRecord record; /**< of the running boot, if record_is_current */
        int record_result;
        bool record_is_current; /**< its boot id is that of the running boot */
        BootRecord previous;    /**< of the boot before */
        int previous_result;
} NextBoot;

/** What the next boot will be, as far as nobody picks from a menu. */
typedef struct NextBootOutlook {
        char mode[CONFIG_NAME_SIZE]; /**< "": not known, only GRUB can tell */
        const char *kind; /**< menu, once, trial, default, skip, expired, unwritable, damaged,
                             unknown, efi, count, config: what decides; a string that lives for
                             ever */
        char reason[REFUSAL_TEXT_SIZE];
        const char *arguments; /**< of the kernel; borrowed from NextBoot, or "" */
        unsigned tries_left;
        NextBootProtection protection;
} NextBootOutlook;

typedef struct NextBootOptions {
        unsigned tries; /**< 1..BOOT_TRIES_MAX; 0: the default, 1 */
        bool without_protection;
} NextBootOptions;

/** What a change did, in words for whoever asked. */
typedef struct NextBootAnswer {
        bool changed;
        bool needs_efi_write; /**< the caller has to have `vfio-mode-one-shot@MODE.service` write
                                 (or delete, MODE "none") the EFI variable: it takes a capability */
        bool is_written;      /**< the boot environment was changed */
        char efi_mode[CONFIG_NAME_SIZE]; /**< for that unit; "none" deletes */
        char text[REFUSAL_TEXT_SIZE];
} NextBootAnswer;

/** The protection's word. */
const char *next_boot_protection_name(NextBootProtection protection);

/** Reads everything. What is missing or damaged is part of the answer. */
void next_boot_read(const Root *root, NextBoot *ret);

/** Whether GRUB may find in the block what we do not: it cannot be read, or is one of another
 * shape. A damaged one is none of those: what it means to GRUB is known. */
bool next_boot_is_opaque(const NextBoot *now);

/** Says what the next boot will be. @config NULL: no configuration, the fallback mode's default
 * name. */
void next_boot_outlook(const NextBoot *now, const Config *config, NextBootOutlook *ret);

/** The mode that was armed for the running boot, for once or on trial, where that boot was not by
 * the boot environment at all: from a menu entry, a recovery entry, by kexec. "": there was none.
 */
const char *next_boot_not_run(const NextBoot *now);

/** Whether GRUB reads the boot environment and was seen to write it, in the boot that is running:
 * then it counts each boot that is armed before it makes it. */
bool next_boot_is_counted(const NextBoot *now);

/** Whether the one-shot EFI variable can carry the mode to the next boot, and to no other: one
 * without kernel arguments, where GRUB names none before it. */
bool next_boot_is_once(const NextBoot *now, const ConfigMode *mode);

/** How long the kernel's command line of a boot with these arguments is: what is ours on the
 * running one goes, and they come. 0 where the running one cannot be read. The kernel cuts off what
 * is not below KERNEL_CMDLINE_SIZE, without a word, and ours stands at the end. */
size_t next_boot_cmdline_length(const Root *root, const NextBoot *now, const char *arguments);

/**
 * Adds what differs between what is armed and the configuration, in words with the command to run:
 * a cmdline edited after arming (also by the EFI variable), a mode that is gone, menu entries older
 * than the configuration.
 *
 * Returns how many were written to @ret, at most @max.
 */
size_t next_boot_drift(const Root *root, const NextBoot *now, const Config *config,
                       char ret[][NEXT_BOOT_DRIFT_SIZE], size_t max);

/** One boot into a mode. Refusals: unknown-mode, not-supported, unprotected, cmdline-too-long,
 * other-default, failed. */
RefusalKind next_boot_set_once(const Root *root, const Config *config, const char *mode,
                               const NextBootOptions *options, NextBootAnswer *ret,
                               Refusal *refusal);

/** A mode from now on. Refusals as next_boot_set_once(). */
RefusalKind next_boot_set_default(const Root *root, const Config *config, const char *mode,
                                  const NextBootOptions *options, NextBootAnswer *ret,
                                  Refusal *refusal);

/** Takes back what is armed, and lets a counted-out default-mode be tried again. */
RefusalKind next_boot_cancel(const Root *root, NextBootAnswer *ret, Refusal *refusal);

/**
 * Takes back what was armed before GRUB's configuration was made without our script, as it is where
 * the package was removed, unless the script was there and had a reason: boots went by since, and a
 * mode that was wanted for one of them is not to come as a surprise. A confirmed default stays.
 *
 * @place: as boot_place_find_for_grub() has it, for whoever writes the next grub.cfg
 * @ret_dropped: set where something was, else left alone
 */
RefusalKind next_boot_drop_stale(const Root *root, const BootPlace *place, bool *ret_dropped,
                                 Refusal *refusal);

/**
 * The running boot was good: a trial becomes what it was for, the boots left are filled again, and
 * the count of unconfirmed boots begins anew.
 *
 * Refusals: other-boot (kexec, resumed from hibernation, picked from the menu, the mode now is
 * another one), failed.
 *
 * @mode_now: the mode in force
 */
RefusalKind next_boot_confirm(const Root *root, const Config *config, const char *mode_now,
                              NextBootAnswer *ret, Refusal *refusal);

/** Makes the next boot the fallback mode, whatever is armed: where the card cannot be had back.
 * Says nothing where nothing was armed. Returns 0 or a negative errno; -EOPNOTSUPP where GRUB goes
 * by what cannot be changed here, with the rest done. */
_must_check_ int next_boot_disarm(const Root *root);
