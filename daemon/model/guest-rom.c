/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "guest-rom.h"

void guest_roms_add(GuestRoms *roms, PciAddress address, const char *directory, const char *name,
                    size_t length) {
        GuestRom *rom = &roms->roms[roms->n];
        int n;

        if (length == 0)
                return;
        if (roms->n == GUEST_ROMS_MAX || length >= GUEST_ROM_PATH_SIZE) {
                roms->n_left_out++;
                return;
        }
        n = snprintf(rom->path, sizeof(rom->path), "%s%.*s", directory, (int)length, name);
        if (n < 0 || (size_t)n >= sizeof(rom->path)) {
                roms->n_left_out++;
                return;
        }
        rom->address = address;
        roms->n++;
}

bool guest_roms_has(const GuestRoms *roms, PciAddress address) {
        for (size_t i = 0; i < roms->n; i++)
                if (pci_address_compare(roms->roms[i].address, address) == 0)
                        return true;
        return false;
}
