/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asked for a switch, and why: whoever has a mode's unit started leaves it in a file, since a
 * start job carries no words. The unit's program takes it if it names its mode and is seconds old.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config.h"

/** The words for who asks. */
#define SOURCE_BOOT "boot"
#define SOURCE_BUS "bus"         /**< over D-Bus: a person, by vfio-modectl */
#define SOURCE_COMMAND "command" /**< vfio-mode-apply, run by hand */
#define SOURCE_UNIT "unit"       /**< a mode's unit was started, and nobody has left word */
#define SOURCE_STOP "stop"       /**< a mode's unit was stopped, which chooses no other mode */
#define SOURCE_STAY "stay"       /**< the mode goes on, and its unit is to be active again */
#define SOURCE_FALLBACK "fallback"
#define SOURCE_REVERT "revert" /**< nobody has confirmed the mode before */
#define SOURCE_POWER_BUTTON "power-button"
#define SOURCE_REPLUG "replug"
#define SOURCE_VM "vm"           /**< for a virtual machine that a hook tells of */
#define SOURCE_VM_UNIT "vm-unit" /**< for a unit that requires the mode's, as that of one does */
#define SOURCE_VM_EXIT "vm-exit" /**< a virtual machine has come to its end, not to grief */

#define SWITCH_ORIGIN_SIZE_MAX 1024
#define SWITCH_ORIGIN_USEC_MAX (10 * UINT64_C(1000000))

typedef struct SwitchOrigin {
        char mode[CONFIG_NAME_SIZE]; /**< that the switch is to go to */
        char source[32];             /**< as in the status: SOURCE_FALLBACK, ... */
        char reason[512];            /**< in words; one line */
        uint64_t time;               /**< CLOCK_MONOTONIC, µs */
        char holders[8];             /**< what `holders` is for this switch; "": as in the mode */
} SwitchOrigin;

/**
 * Parses what switch_origin_format() wrote.
 *
 * Returns 0; -EBADMSG where it is damaged or says less, with @ret untouched.
 */
_must_check_ int switch_origin_parse(const char *text, SwitchOrigin *ret);

/** Writes it as lines into @buffer. Returns its length, or -ENOSPC. */
_must_check_ int switch_origin_format(const SwitchOrigin *origin, char *buffer, size_t size);

/** Whether a switch is for a virtual machine, and not a person's or a failure's. */
bool switch_source_is_vm(const char *source);

/** Whether it is of a switch to @mode that begins at @now (CLOCK_MONOTONIC, µs). */
bool switch_origin_is_of(const SwitchOrigin *origin, const char *mode, uint64_t now);
