/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a guest finds a ROM that its firmware can run: the function's own, as far as it has been
 * read, and the files that guests are given in its place. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-definition.h"
#include "host.h"
#include "inspection.h"
#include "pci-rom.h"

/* --- a function's own ROM --- */

typedef struct RomOwner {
        const char *device; /**< its name in the configuration */
        const Function *function;
        const PciRomResource *resource; /**< NULL: not known */
} RomOwner;

/** Adds the check `rom-NAME` by what the kernel tells without reading: whether there is one, and
 * that it has not been read. It names the mode of @ret in the command that would. */
void rom_check_unread(const RomOwner *owner, Inspection *ret);

/** Adds the same of a ROM that has been read: @size bytes at @data. */
void rom_check_read(const RomOwner *owner, const uint8_t *data, size_t size, Inspection *ret);

/** Adds the same of one that could not be read. @why: what `vfio-modectl rom` exits with; @text:
 * what it says, in whole sentences. */
void rom_check_unreadable(const RomOwner *owner, ExitCode why, const char *text, Inspection *ret);

/* --- a guest's file --- */

typedef struct GuestRomFile {
        const char *device;           /**< the function's, in the configuration */
        const GuestDefinition *guest; /**< whose file it is */
        const GuestRom *rom;
        PciId id;            /**< of the function */
        bool is_of_captured; /**< what is not there was perhaps not captured */
        bool is_for_all;     /**< every user may read it */
        bool is_confined;    /**< no rule of AppArmor's that is understood lets the guest read it */
        int error;           /**< of reading, negative: base/file.h; 0: none */
        const uint8_t *data; /**< where there is no error */
        size_t size;
} GuestRomFile;

/** Adds the check `guest-rom-NAME`: the file is there, readable, complete, valid, and for the
 * function; and another one of that id where it is confined. */
void guest_rom_check(const GuestRomFile *file, Inspection *ret);
