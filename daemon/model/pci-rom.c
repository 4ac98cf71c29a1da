/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing that a ROM says of itself is believed before it is seen to lie within it. Lengths are at
 * most 65535 units of 512 bytes, and offsets at most PCI_ROM_SIZE_MAX or what the caller has, so
 * that no sum overflows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "pci-rom.h"

#define UNIT 512u /* of an image's length */

/* The header, at the begin of an image. */
#define HEADER_SIZE 0x1au
#define HEADER_EFI_SIGNATURE 0x04u
#define HEADER_EFI_MACHINE 0x0au
#define HEADER_EFI_COMPRESSION 0x0cu
#define HEADER_DATA 0x18u

#define EFI_SIGNATURE 0x0ef1u

/* The PCI data structure, that the header leads to. */
#define DATA_SIZE 0x18u
#define DATA_VENDOR 0x04u
#define DATA_DEVICE 0x06u
#define DATA_DEVICE_LIST 0x08u
#define DATA_REVISION 0x0cu
#define DATA_LENGTH 0x10u
#define DATA_CODE_TYPE 0x14u
#define DATA_INDICATOR 0x15u

#define REVISION_WITH_LIST 3u
#define INDICATOR_LAST 0x80u

#define RESOURCE_LINE 6          /* PCI_ROM_RESOURCE */
#define RESOURCE_ROM_SHADOW 0x2u /* IORESOURCE_ROM_SHADOW */

static unsigned read_16(const uint8_t *data) {
        return data[0] | (unsigned)data[1] << 8;
}

static uint32_t read_32(const uint8_t *data) {
        return read_16(data) | (uint32_t)read_16(data + 2) << 16;
}

/* --- one image --- */

/* ROMs for several cards name one of them, and list the others. @size: up to the image's end */
static bool lists_device(const uint8_t *data, size_t size, unsigned device) {
        size_t at = read_16(data + DATA_DEVICE_LIST);

        if (data[DATA_REVISION] < REVISION_WITH_LIST || at < DATA_SIZE)
                return false;
        for (; at + 2 <= size && read_16(data + at) != 0; at += 2)
                if (read_16(data + at) == device)
                        return true;
        return false;
}

static bool adds_up(const uint8_t *data, size_t size) {
        uint8_t sum = 0;

        for (size_t i = 0; i < size; i++)
                sum = (uint8_t)(sum + data[i]);
        return sum == 0;
}

/* @header: of @image, which lies within the ROM; @data: its PCI data structure */
static PciRomFault judge(const PciRomImage *image, const uint8_t *header, const uint8_t *data,
                         PciId id) {
        if (image->id.vendor != id.vendor ||
            (image->id.device != id.device &&
             !lists_device(data, image->length - (size_t)(data - header), id.device)))
                return PCI_ROM_OTHER_DEVICE;
        if (image->code_type == PCI_ROM_CODE_X86 && !adds_up(header, image->length))
                return PCI_ROM_CHECKSUM;
        if (image->code_type == PCI_ROM_CODE_EFI &&
            read_32(header + HEADER_EFI_SIGNATURE) != EFI_SIGNATURE)
                return PCI_ROM_NO_EFI;
        return PCI_ROM_GOOD;
}

static void read_image(const uint8_t *header, const uint8_t *data, PciRomImage *ret) {
        ret->id = (PciId){ .vendor = (uint16_t)read_16(data + DATA_VENDOR),
                           .device = (uint16_t)read_16(data + DATA_DEVICE) };
        ret->length = (size_t)read_16(data + DATA_LENGTH) * UNIT;
        ret->code_type = data[DATA_CODE_TYPE];
        ret->is_last = data[DATA_INDICATOR] & INDICATOR_LAST;
        if (ret->code_type != PCI_ROM_CODE_EFI)
                return;
        ret->efi_machine = (uint16_t)read_16(header + HEADER_EFI_MACHINE);
        ret->is_compressed = read_16(header + HEADER_EFI_COMPRESSION) != 0;
}

/* Its PCI data structure; NULL with why there is none. */
static const uint8_t *find_data(const uint8_t *header, size_t size, PciRomFault *ret_fault) {
        size_t at;

        *ret_fault = PCI_ROM_NO_SIGNATURE;
        if (size < HEADER_SIZE || header[0] != 0x55 || header[1] != 0xaa)
                return NULL;
        at = read_16(header + HEADER_DATA);
        *ret_fault = PCI_ROM_NO_DATA;
        return at + DATA_SIZE > size || memcmp(header + at, "PCIR", 4) != 0 ? NULL : header + at;
}

/*
 * The image at @header, of which @size bytes are there. Returns why the chain breaks off, before
 * the image where it has no length yet.
 */
static PciRomFault parse_image(const uint8_t *header, size_t size, PciId id, PciRomImage *ret) {
        PciRomFault fault;
        const uint8_t *data = find_data(header, size, &fault);

        if (!data)
                return fault;
        read_image(header, data, ret);
        if (ret->length < (size_t)(data - header) + DATA_SIZE)
                return PCI_ROM_NO_LENGTH;
        if (ret->length > size) {
                ret->fault = PCI_ROM_CUT;
                return PCI_ROM_CUT;
        }
        ret->fault = judge(ret, header, data, id);
        return PCI_ROM_GOOD;
}

/* --- the chain --- */

void pci_rom_parse(const uint8_t *data, size_t size, PciId id, PciRom *ret) {
        *ret = (PciRom){ .fault = size == 0 ? PCI_ROM_EMPTY : PCI_ROM_GOOD };
        while (ret->fault == PCI_ROM_GOOD) {
                PciRomImage image = { .offset = ret->length };

                if (ret->n_images == PCI_ROM_IMAGES_MAX) {
                        ret->fault = PCI_ROM_TOO_MANY;
                        return;
                }
                if (ret->length == size) {
                        ret->fault = PCI_ROM_NO_LAST;
                        return;
                }
                ret->fault = parse_image(data + image.offset, size - image.offset, id, &image);
                if (ret->fault != PCI_ROM_GOOD && ret->fault != PCI_ROM_CUT)
                        return;
                ret->images[ret->n_images++] = image;
                if (ret->fault == PCI_ROM_CUT)
                        return;
                ret->length += image.length;
                if (image.is_last)
                        return;
        }
}

size_t pci_rom_find(const uint8_t *data, size_t size) {
        PciRomFault fault;

        for (size_t at = UNIT; at < size; at += UNIT)
                if (find_data(data + at, size - at, &fault))
                        return at;
        return 0;
}

PciRomFault pci_rom_fault(const PciRom *rom) {
        if (rom->fault != PCI_ROM_GOOD)
                return rom->fault;
        for (size_t i = 0; i < rom->n_images; i++)
                if (rom->images[i].fault != PCI_ROM_GOOD)
                        return rom->images[i].fault;
        return PCI_ROM_GOOD;
}

bool pci_rom_has_code(const PciRom *rom, unsigned code_type) {
        for (size_t i = 0; i < rom->n_images; i++)
                if (rom->images[i].code_type == code_type)
                        return true;
        return false;
}

/* --- in words --- */

static const struct {
        const char *name, *text;
} faults[_PCI_ROM_FAULT_MAX] = {
        [PCI_ROM_GOOD] = { "none", "" },
        [PCI_ROM_EMPTY] = { "empty", "is empty" },
        [PCI_ROM_NO_SIGNATURE] = { "no-signature", "has no image (55 aa) where one should begin" },
        [PCI_ROM_NO_DATA] = { "no-data", "has an image without its PCI data structure" },
        [PCI_ROM_NO_LENGTH] = { "no-length", "has an image that is shorter than its own header" },
        [PCI_ROM_CUT] = { "cut", "ends inside an image" },
        [PCI_ROM_NO_LAST] = { "no-last", "ends where another image should follow" },
        [PCI_ROM_TOO_MANY] = { "too-many", "has more images than any real one" },
        [PCI_ROM_CHECKSUM] = { "checksum", "has an image whose checksum is wrong" },
        [PCI_ROM_OTHER_DEVICE] = { "other-device", "has an image for another device" },
        [PCI_ROM_NO_EFI] = { "no-efi", "has an EFI image without EFI's signature" },
};

const char *pci_rom_fault_name(PciRomFault fault) {
        return faults[fault].name;
}

const char *pci_rom_fault_text(PciRomFault fault) {
        return faults[fault].text;
}

const char *pci_rom_code_name(unsigned code_type) {
        static const char *const names[] = { "x86", "open-firmware", "pa-risc", "efi" };

        return code_type < ARRAY_SIZE(names) ? names[code_type] : "other";
}

const char *pci_rom_machine_name(uint16_t efi_machine) {
        static const struct {
                uint16_t type;
                const char *name;
        } machines[] = {
                { 0x014c, "ia32" }, { 0x0200, "ia64" },    { 0x0ebc, "ebc" },
                { 0x01c2, "arm" },  { 0x5064, "riscv64" }, { 0x6264, "loongarch64" },
                { 0x8664, "x64" },  { 0xaa64, "aa64" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
                if (machines[i].type == efi_machine)
                        return machines[i].name;
        return NULL;
}

const char *pci_rom_image_format(const PciRomImage *image,
                                 char buffer[static PCI_ROM_IMAGE_TEXT_SIZE]) {
        const char *machine = image->code_type == PCI_ROM_CODE_EFI
                                      ? pci_rom_machine_name(image->efi_machine)
                                      : NULL;

        (void)snprintf(buffer, PCI_ROM_IMAGE_TEXT_SIZE, "%s%s%s%s",
                       pci_rom_code_name(image->code_type), machine ? " " : "",
                       machine ? machine : "", image->is_compressed ? ", compressed" : "");
        return buffer;
}

/* --- where it is --- */

/* "0x", and sixteen digits. */
static int parse_number(const char **cursor, uint64_t *ret) {
        uint32_t high, low;
        size_t length;
        const char *word = parse_word(cursor, &length);

        if (!word || length != 18 || word[0] != '0' || word[1] != 'x' ||
            parse_hex_digits(word + 2, 8, &high) < 0 || parse_hex_digits(word + 10, 8, &low) < 0)
                return -EBADMSG;
        *ret = (uint64_t)high << 32 | low;
        return 0;
}

int pci_rom_resource_parse(const char *text, PciRomResource *ret) {
        uint64_t start, end, flags;
        char line[64];

        for (unsigned i = 0; i < RESOURCE_LINE; i++) {
                text += strcspn(text, "\n");
                if (*text == '\0')
                        return -EBADMSG;
                text++;
        }
        if (parse_copy(line, sizeof(line), text, strcspn(text, "\n")) < 0)
                return -EBADMSG;
        text = line;
        if (parse_number(&text, &start) < 0 || parse_number(&text, &end) < 0 ||
            parse_number(&text, &flags) < 0 || end < start)
                return -EBADMSG;
        *ret = (PciRomResource){ .size = end == 0 ? 0 : end - start + 1,
                                 .is_shadow = flags & RESOURCE_ROM_SHADOW };
        return 0;
}
