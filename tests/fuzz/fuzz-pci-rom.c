/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expansion ROMs: whatever the bytes are, images follow each other within them, and a ROM that is
 * called valid is complete; its sums are right, and a byte taken off its end is missed.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/pci-rom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const PciId id = { 0x10de, 0x2484 };

static void check_image(const PciRomImage *image, const uint8_t *data, size_t size) {
        uint8_t sum = 0;

        assert(image->length > 0 && image->offset < size);
        assert((image->length > size - image->offset) == (image->fault == PCI_ROM_CUT));
        assert(data[image->offset] == 0x55);
        if (image->fault != PCI_ROM_GOOD || image->code_type != PCI_ROM_CODE_X86)
                return;
        for (size_t i = 0; i < image->length; i++)
                sum = (uint8_t)(sum + data[image->offset + i]);
        assert(sum == 0);
}

static void check_valid(const PciRom *rom, const uint8_t *data) {
        PciRom shorter;

        assert(rom->n_images > 0 && rom->images[rom->n_images - 1].is_last);
        pci_rom_parse(data, rom->length - 1, id, &shorter);
        assert(pci_rom_fault(&shorter) == PCI_ROM_CUT);
}

static void parse_resource(const uint8_t *data, size_t size) {
        PciRomResource resource = { 0 };
        char *text = malloc(size + 1);

        assert(text);
        if (size > 0)
                (void)memcpy(text, data, size);
        text[size] = '\0';
        if (pci_rom_resource_parse(text, &resource) < 0)
                assert(resource.size == 0 && !resource.is_shadow);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t offset = 0;
        PciRom rom;

        pci_rom_parse(data, size, id, &rom);
        assert(rom.n_images <= PCI_ROM_IMAGES_MAX && rom.length <= size);
        for (size_t i = 0; i < rom.n_images; i++) {
                assert(rom.images[i].offset == offset);
                offset += rom.images[i].length;
                assert(i + 1 == rom.n_images || !rom.images[i].is_last);
                check_image(&rom.images[i], data, size);
        }
        assert(rom.fault == PCI_ROM_CUT || rom.length == offset);
        if (pci_rom_fault(&rom) == PCI_ROM_GOOD)
                check_valid(&rom, data);
        offset = pci_rom_find(data, size);
        assert(offset == 0 ||
               (offset + 1 < size && data[offset] == 0x55 && data[offset + 1] == 0xaa));
        parse_resource(data, size);
        return 0;
}
