/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A function's expansion ROM, read through the kernel. It takes writing to sysfs, which only
 * vfio-mode-apply does; so there is one way to it, whatever it is read for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/root.h"
#include "model/host.h"
#include "model/pci-rom.h"

typedef struct CardRom {
        char address[PCI_ADDRESS_SIZE];
        Function function;
        PciRomResource resource;
        bool has_resource; /**< it is known: of a captured machine it may not be */
        uint8_t *data;     /**< once it is read */
        size_t size;
        char reason[REFUSAL_TEXT_SIZE]; /**< why it is not, in whole sentences */
} CardRom;

/** Looks at the function that has the ROM, and wakes nothing. Returns EXIT_CODE_DONE; else another
 * with the reason filled: where there is no such function, or it has no ROM, EXIT_CODE_NOT_VIABLE.
 */
int card_rom_find(const Root *root, PciAddress address, CardRom *ret);

/** Whether this process may read one; says so where it may not. */
bool card_rom_is_permitted(void);

/** Whether its driver may not reach the function while it is read: who reads it has to want that.
 */
bool card_rom_disturbs_driver(const CardRom *rom);

/**
 * Reads one that was found. Of a function that a driver of the host has, and would miss, only
 * @while_in_use.
 *
 * Returns EXIT_CODE_DONE; else another with the reason filled.
 */
int card_rom_read(CardRom *rom, bool while_in_use);

/** Frees what was read; for `_cleanup_(card_rom_done)`. */
void card_rom_done(CardRom *rom);
