/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a boot did, kept in /var/lib/vfio-mode for the boots after it: lines of `key=value`, a
 * version first. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "boot-state.h"
#include "config.h"
#include "refusal.h"
#include "run-state.h"

#define BOOT_ID_SIZE (36 + 1)
#define BOOT_RECORD_SIZE_MAX 4096

/** What named a boot's mode (DESIGN §8), in their order. */
typedef enum BootSource {
        BOOT_SOURCE_NONE,
        BOOT_SOURCE_CMDLINE, /**< vfio_mode= on the kernel command line */
        BOOT_SOURCE_RESCUE,  /**< a rescue system was asked for */
        BOOT_SOURCE_EFI,     /**< the one-shot EFI variable */
        BOOT_SOURCE_DEFAULT, /**< default-mode */
        _BOOT_SOURCE_MAX,
} BootSource;

typedef struct BootRecord {
        char boot_id[BOOT_ID_SIZE]; /**< /proc/sys/kernel/random/boot_id; "": no record */
        uint64_t time;              /**< CLOCK_REALTIME, seconds */
        BootSource source;
        BootMarker marker;
        char wanted[CONFIG_NAME_SIZE];    /**< the mode that the source named; "": an unknown one */
        char mode[CONFIG_NAME_SIZE];      /**< the mode booted to; "": none */
        RefusalKind kind;                 /**< why it was not the wanted one */
        char reason[RUN_STATE_TEXT_SIZE]; /**< what decided, or why not, in words */
        bool confirmed;
        bool repeated; /**< its marker is that of the boot before: kexec, not a boot through GRUB */
        unsigned unconfirmed; /**< boots into default-mode in a row, this one included, that nobody
                                 confirmed */
} BootRecord;

/** A source's word: command-line, rescue, efi, default; none. */
const char *boot_source_name(BootSource source);

/** Whether it went where it did because of a failure: what was asked for is unknown or was refused,
 * boots into it were not confirmed, or GRUB could not vouch for it. */
bool boot_record_fell_back(const BootRecord *record);

/** Whether the boot is good only once somebody, or something, has confirmed it; @mode is the one in
 * force, "" is none. */
bool boot_record_awaits_confirmation(const BootRecord *record, const char *mode,
                                     const char *fallback_mode);

/** Parses what boot_record_format() wrote. Returns 0; -EPROTONOSUPPORT; -EBADMSG. @ret is untouched
 * on failure. */
_must_check_ int boot_record_parse(const char *text, BootRecord *ret);

/** Writes the record as text into @buffer. Returns its length, or -ENOSPC. */
_must_check_ int boot_record_format(const BootRecord *record, char *buffer, size_t size);
