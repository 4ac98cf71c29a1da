/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a guest that has a device is asked to end. A guest is whatever process has a VFIO node open,
 * be it a virtual machine or another program. Pure; apply/guests asks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "run-state.h"

#define GUEST_ID_SIZE (36 + 1) /* a UUID */

/** Who can shut it down in order. */
typedef enum GuestKind {
        GUEST_PROCESS, /**< nobody but itself: SIGTERM */
        GUEST_SERVICE, /**< the service that it belongs to: its stop job */
        GUEST_LIBVIRT, /**< virsh */
        GUEST_PROXMOX, /**< qm */
} GuestKind;

/** What the process is by its system's unit; "": of none, or of a user. */
GuestKind guest_kind(const char *unit);

/** How it is asked, in words that follow "end process 1 (x), which has 0000:01:00.0, ". */
const char *guest_manner(GuestKind kind);

/**
 * The name by which virsh or qm knows a guest.
 *
 * @unit: of GUEST_PROXMOX, whose scope has the guest's number
 * @cmdline: of GUEST_LIBVIRT, which starts every QEMU with its UUID; as in /proc/PID/cmdline, @size
 * bytes, a NUL behind each argument
 *
 * Returns whether there is one; @ret is untouched where there is none.
 */
bool guest_id(const char *unit, const char *cmdline, size_t size, char ret[static GUEST_ID_SIZE]);

/**
 * Whether going to this mode is leaving another: then what has a device of that one is ended. To
 * mend a mode, or to enter the first one since boot, ends nobody.
 */
bool guest_may_be_ended(const RunState *state, const char *mode);

/** The mode that is left: the one in force, or the last one there was; "": none. */
const char *guest_left_mode(const RunState *state);
