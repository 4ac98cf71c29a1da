/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that guests' definitions name as ROMs of functions of the host, in place of the cards'
 * own. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pci-address.h"

#define GUEST_ROMS_MAX 8
#define GUEST_ROM_PATH_SIZE 256

typedef struct GuestRom {
        PciAddress address; /**< of the function that the guest sees it at */
        char path[GUEST_ROM_PATH_SIZE];
} GuestRom;

typedef struct GuestRoms {
        GuestRom roms[GUEST_ROMS_MAX];
        size_t n;
        size_t n_left_out; /**< for which there is no room, or too long a path */
} GuestRoms;

/** What a definition that is made for a report has in place of a file's name. */
#define GUEST_ROM_UNNAMED "not-named-in-this-report"

/** Whether a function is given a file. */
bool guest_roms_has(const GuestRoms *roms, PciAddress address);

/** Adds one. @directory: before the name, with its slash; "": none. @name: @length bytes; none
 * where that is 0, and then nothing is added. */
void guest_roms_add(GuestRoms *roms, PciAddress address, const char *directory, const char *name,
                    size_t length);
