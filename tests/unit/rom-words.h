/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expansion ROMs in words, each of them an image: "x86", "efi", "efi-zip", "sparc", "pa-risc",
 * "other", and "!" behind the last.
 */
#pragma once

#include "model/pci-rom.h"

#define ROM_WORDS_IMAGE ((size_t)1024) /* bytes of each */
#define ROM_WORDS_DATA 0x40            /* where its PCI data structure stands in it */
#define ROM_WORDS_MAX ((PCI_ROM_IMAGES_MAX + 1) * ROM_WORDS_IMAGE)

/** Makes a ROM for the device @id that is valid if the words are. Returns its size. */
size_t rom_words_make(const char *words, PciId id, uint8_t rom[static ROM_WORDS_MAX]);

/** Writes a number as PCI has it. */
void rom_words_put_16(uint8_t *at, unsigned value);
