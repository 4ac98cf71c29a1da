/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a guest finds a ROM that its firmware can run: the files that guests are given in place
 * of functions' own. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-definition.h"
#include "inspection.h"
#include "pci-rom.h"

typedef struct GuestRomFile {
        const char *device;           /**< the function's, in the configuration */
        const GuestDefinition *guest; /**< whose file it is */
        const GuestRom *rom;
        PciId id;            /**< of the function */
        bool is_of_captured; /**< what is not there was perhaps not captured */
        bool is_for_all;     /**< every user may read it */
        int error;           /**< of reading, negative: base/file.h; 0: none */
        const uint8_t *data; /**< where there is no error */
        size_t size;
} GuestRomFile;

/** Adds the check `guest-rom-NAME`: the file is there, readable, complete, valid, and for the
 * function. */
void guest_rom_check(const GuestRomFile *file, Inspection *ret);
