/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expansion ROMs: each fault seen, what is good left alone, and nothing read behind the end. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/pci-rom.h"
#include "rom-words.h"
#include "table.h"

#define UNIT 512
#define IMAGE ROM_WORDS_IMAGE
#define DATA ROM_WORDS_DATA
#define ROM_MAX ROM_WORDS_MAX

static const PciId id = { 0x10de, 0x2484 };

/* At the end of its memory, so that the sanitizer sees what is read behind it. */
static void parse(const uint8_t *rom, size_t size, PciRom *ret) {
        uint8_t *copy = malloc(size > 0 ? size : 1);

        if (size > 0)
                (void)memcpy(copy, rom, size);
        pci_rom_parse(copy, size, id, ret);
        free(copy);
}

/* --- what is found --- */

static const struct Row {
        const char *title;
        const char *images;
        struct {
                size_t at;
                unsigned value; /* 16 bits */
        } changes[4];           /* in this order; none at 0 */
        size_t cut;             /* bytes taken off the end */
        size_t n_images;        /* found */
        PciRomFault fault;      /* of all */
        size_t length;          /* of the chain, in images */
} rows[] = {
        { "one image", "x86!", { { 0 } }, 0, 1, PCI_ROM_GOOD, 1 },
        { "BIOS and UEFI", "x86 efi!", { { 0 } }, 0, 2, PCI_ROM_GOOD, 2 },
        { "one of each", "x86 sparc pa-risc efi other!", { { 0 } }, 0, 5, PCI_ROM_GOOD, 5 },
        { "data of the vendor behind it", "x86! x86", { { 0 } }, 1, 1, PCI_ROM_GOOD, 1 },
        { "no byte", "", { { 0 } }, 0, 0, PCI_ROM_EMPTY, 0 },
        { "one byte", "x86!", { { 0 } }, IMAGE - 1, 0, PCI_ROM_NO_SIGNATURE, 0 },
        { "a header without its last byte",
          "x86!",
          { { 0 } },
          IMAGE - 0x19,
          0,
          PCI_ROM_NO_SIGNATURE,
          0 },
        { "another signature", "x86!", { { 1, 0xab } }, 0, 0, PCI_ROM_NO_SIGNATURE, 0 },
        { "no second image where one should be",
          "x86 efi!",
          { { IMAGE, 0xffff } },
          0,
          1,
          PCI_ROM_NO_SIGNATURE,
          1 },
        { "a header and no more", "x86!", { { 0 } }, IMAGE - 0x1a, 0, PCI_ROM_NO_DATA, 0 },
        { "data behind the end", "x86!", { { 0x18, IMAGE } }, 0, 0, PCI_ROM_NO_DATA, 0 },
        { "data far behind the end", "x86!", { { 0x18, 0xffff } }, 0, 0, PCI_ROM_NO_DATA, 0 },
        { "data that reach over the end",
          "x86!",
          { { 0 } },
          IMAGE - DATA - 0x17,
          0,
          PCI_ROM_NO_DATA,
          0 },
        { "data with another signature", "x86!", { { DATA, 0x4351 } }, 0, 0, PCI_ROM_NO_DATA, 0 },
        { "an image without length", "x86!", { { DATA + 0x10, 0 } }, 0, 0, PCI_ROM_NO_LENGTH, 0 },
        { "an image that ends before its data",
          "x86!",
          { { 0x18, UNIT }, { UNIT, 0x4350 }, { UNIT + 2, 0x5249 }, { UNIT + 0x10, 1 } },
          0,
          0,
          PCI_ROM_NO_LENGTH,
          0 },
        { "an image of which a byte is missing", "x86!", { { 0 } }, 1, 1, PCI_ROM_CUT, 0 },
        { "the longest image", "x86!", { { DATA + 0x10, 0xffff } }, 0, 1, PCI_ROM_CUT, 0 },
        { "a second image of which a byte is missing",
          "x86 efi!",
          { { 0 } },
          1,
          2,
          PCI_ROM_CUT,
          1 },
        { "no last image", "x86 efi", { { 0 } }, 0, 2, PCI_ROM_NO_LAST, 2 },
        { "as many as there may be",
          "x86 efi efi efi efi efi efi efi efi efi efi efi efi efi efi efi!",
          { { 0 } },
          0,
          16,
          PCI_ROM_GOOD,
          16 },
        { "one more",
          "x86 efi efi efi efi efi efi efi efi efi efi efi efi efi efi efi efi!",
          { { 0 } },
          0,
          16,
          PCI_ROM_TOO_MANY,
          16 },
        { "a wrong checksum", "x86!", { { 0x100, 0x1234 } }, 0, 1, PCI_ROM_CHECKSUM, 1 },
        { "a wrong checksum, and another image",
          "x86 efi!",
          { { 0x100, 0x1234 } },
          0,
          2,
          PCI_ROM_CHECKSUM,
          2 },
        { "a sum that nobody checks", "efi!", { { 0x100, 0x1234 } }, 0, 1, PCI_ROM_GOOD, 1 },
        { "another vendor", "efi!", { { DATA + 4, 0x1002 } }, 0, 1, PCI_ROM_OTHER_DEVICE, 1 },
        { "another device", "efi!", { { DATA + 6, 0x2485 } }, 0, 1, PCI_ROM_OTHER_DEVICE, 1 },
        { "another device, and ours listed",
          "efi!",
          { { DATA + 6, 0x2485 },
            { DATA + 8, 0x18 },
            { DATA + 0x18, 0x9999 },
            { DATA + 0x1a, 0x2484 } },
          0,
          1,
          PCI_ROM_GOOD,
          1 },
        { "another device, and the list ends before ours",
          "efi!",
          { { DATA + 6, 0x2485 }, { DATA + 8, 0x18 }, { DATA + 0x1a, 0x2484 } },
          0,
          1,
          PCI_ROM_OTHER_DEVICE,
          1 },
        { "another device, and a list by a revision without any",
          "efi!",
          { { DATA + 6, 0x2485 }, { DATA + 8, 0x18 }, { DATA + 0x18, 0x2484 }, { DATA + 0x0c, 0 } },
          0,
          1,
          PCI_ROM_OTHER_DEVICE,
          1 },
        { "another device, and a list behind the end",
          "efi!",
          { { DATA + 6, 0x2485 }, { DATA + 8, 0xffff } },
          0,
          1,
          PCI_ROM_OTHER_DEVICE,
          1 },
        { "UEFI's without its signature", "efi!", { { 4, 0x0ef0 } }, 0, 1, PCI_ROM_NO_EFI, 1 },
};

static void test_row(void **state) {
        const struct Row *row = *state;
        uint8_t data[ROM_MAX];
        size_t size = rom_words_make(row->images, id, data);
        PciRom rom;

        for (size_t i = 0; i < ARRAY_SIZE(row->changes) && row->changes[i].at > 0; i++)
                rom_words_put_16(data + row->changes[i].at, row->changes[i].value);
        parse(data, size - row->cut, &rom);
        assert_int_equal(rom.n_images, row->n_images);
        assert_string_equal(pci_rom_fault_name(pci_rom_fault(&rom)),
                            pci_rom_fault_name(row->fault));
        assert_int_equal(rom.length, row->length * IMAGE);
        assert_int_equal(pci_rom_fault_text(row->fault)[0] == '\0', row->fault == PCI_ROM_GOOD);
}

static void test_images(void **state) {
        uint8_t data[ROM_MAX];
        PciRom rom;

        (void)state;
        parse(data, rom_words_make("x86 efi-zip!", id, data), &rom);
        assert_true(rom.images[0].offset == 0 && rom.images[1].offset == IMAGE);
        assert_true(pci_id_equal(rom.images[1].id, id));
        assert_false(rom.images[0].is_last || rom.images[0].is_compressed);
        assert_true(rom.images[1].is_last && rom.images[1].is_compressed);
        assert_string_equal(pci_rom_machine_name(rom.images[1].efi_machine), "x64");
        assert_null(pci_rom_machine_name(rom.images[0].efi_machine));
        assert_true(pci_rom_has_code(&rom, PCI_ROM_CODE_X86));
        assert_true(pci_rom_has_code(&rom, PCI_ROM_CODE_EFI));
        assert_false(pci_rom_has_code(&rom, 1));
        assert_string_equal(pci_rom_code_name(0), "x86");
        assert_string_equal(pci_rom_code_name(3), "efi");
        assert_string_equal(pci_rom_code_name(4), "other");
}

/* Of a ROM with one x86 image no byte can change unseen; but its type says whether there is a sum.
 */
static void test_any_byte(void **state) {
        uint8_t data[ROM_MAX];
        size_t size = rom_words_make("x86!", id, data);
        PciRom rom;

        (void)state;
        for (size_t at = 0; at < size; at++)
                for (unsigned bit = 0; bit < 8 && at != DATA + 0x14; bit++) {
                        data[at] ^= (uint8_t)(1u << bit);
                        parse(data, size, &rom);
                        if (pci_rom_fault(&rom) == PCI_ROM_GOOD)
                                fail_msg("bit %u of byte 0x%zx", bit, at);
                        data[at] ^= (uint8_t)(1u << bit);
                }
        for (size_t cut = 1; cut <= size; cut++) {
                parse(data, size - cut, &rom);
                assert_int_not_equal(pci_rom_fault(&rom), PCI_ROM_GOOD);
        }
}

static void test_find(_unused_ void **state) {
        uint8_t data[2 * ROM_WORDS_MAX] = { 'N', 'V', 'G', 'I' };
        size_t size = 3 * UNIT + rom_words_make("x86!", id, data + 3 * UNIT);

        assert_int_equal(pci_rom_find(data, size), 3 * UNIT);
        assert_int_equal(pci_rom_find(data, 3 * UNIT + DATA), 0);
        assert_int_equal(pci_rom_find(data + 1, size - 1), 0); /* not at a whole unit */
        assert_int_equal(pci_rom_find(data + 3 * UNIT, size - 3 * UNIT), 0);
        assert_int_equal(pci_rom_find(data, 0), 0);
}

/* --- where it is --- */

#define NONE "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
#define SIX NONE NONE NONE NONE NONE NONE

static const struct ResourceRow {
        const char *title, *text;
        int result;
        uint64_t size;
        bool is_shadow;
} resource_rows[] = {
        { "a ROM of its own", SIX "0x00000000c1010000 0x00000000c101ffff 0x0000000000046200\n" NONE,
          0, 0x10000, false },
        { "a copy in memory", SIX "0x00000000000c0000 0x00000000000dffff 0x0000000000000212\n", 0,
          0x20000, true },
        { "above 4 GiB", SIX "0x0000380000000000 0x000038000001ffff 0x0000000000046200", 0, 0x20000,
          false },
        { "not assigned yet", SIX "0x0000000000000000 0x000000000000ffff 0x0000000000046200\n", 0,
          0x10000, false },
        { "none", SIX NONE NONE, 0, 0, false },
        { "no such line", NONE NONE NONE NONE NONE NONE, -EBADMSG, 0, false },
        { "nothing", "", -EBADMSG, 0, false },
        { "an end before the start",
          SIX "0x00000000c1010000 0x00000000c100ffff 0x0000000000046200\n", -EBADMSG, 0, false },
        { "a word too few", SIX "0x00000000c1010000 0x00000000c101ffff\n", -EBADMSG, 0, false },
        { "fewer digits", SIX "0xc1010000 0xc101ffff 0x46200\n", -EBADMSG, 0, false },
        { "no digits", SIX "0x00000000c101000g 0x00000000c101ffff 0x0000000000046200\n", -EBADMSG,
          0, false },
        { "a long line",
          SIX "0x00000000c1010000 0x00000000c101ffff 0x0000000000046200 0x0000000000046200\n",
          -EBADMSG, 0, false },
};

static void test_resource(void **state) {
        const struct ResourceRow *row = *state;
        PciRomResource resource = { 42, true };

        assert_int_equal(pci_rom_resource_parse(row->text, &resource), row->result);
        assert_true(resource.size == (row->result < 0 ? 42 : row->size));
        assert_int_equal(resource.is_shadow, row->result < 0 || row->is_shadow);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        TABLE_ROWS(&table, test_resource, resource_rows);
        table_add(&table, "what is said of images", test_images, NULL);
        table_add(&table, "an image behind a header", test_find, NULL);
        table_add(&table, "any byte that changes", test_any_byte, NULL);
        return table_run("pci-rom", &table);
}
