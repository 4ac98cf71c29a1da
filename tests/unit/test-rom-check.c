/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of ROMs: of a card's own, read or not, and of the files that guests are given. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/rom-check.h"
#include "rom-words.h"
#include "table.h"

#define VGA 0x030000u
#define NIC 0x020000u

static const PciId id = { 0x10de, 0x2484 };
static const PciRomResource own = { .size = 0x80000 }, copy = { 0x20000, true }, none = { 0 };

static const Function vga = { .address = { .bus = 1 },
                              .id = { 0x10de, 0x2484 },
                              .class_code = VGA };
static const Function nic = { .address = { .bus = 2 },
                              .id = { 0x10de, 0x2484 },
                              .class_code = NIC };
static const Function busy = {
        .address = { .bus = 1 }, .class_code = VGA, .driver = "nouveau", .id = { 0x10de, 0x2484 }
};
static const Function held = { .address = { .bus = 1 },
                               .class_code = VGA,
                               .driver = "vfio-pci",
                               .on_vfio = true,
                               .id = { 0x10de, 0x2484 } };

static Inspection *inspection_new(void) {
        Inspection *inspection = calloc(1, sizeof(*inspection));

        assert_non_null(inspection);
        (void)strcpy(inspection->mode, "passthrough");
        return inspection;
}

static void check_only(const Inspection *inspection, const char *name, CheckResult result,
                       const char *says, const char *advises) {
        const Check *check = &inspection->checks[0];

        assert_int_equal(inspection->n_checks, 1);
        assert_string_equal(check->id, name);
        if (check->result != result || !strstr(check->message, says) ||
            !strstr(check->advice, advises) || (advises[0] == '\0' && check->advice[0] != '\0'))
                fail_msg("%s: '%s' → '%s'", check_result_name(check->result), check->message,
                         check->advice);
}

/* --- a function's own ROM --- */

static const struct Owner {
        const char *title;
        const PciRomResource *resource; /* NULL: not known */
        CheckResult result;
        const char *says, *advises;
} owners[] = {
        { "there, and not read", &own, CHECK_PASS,
          "0000:01:00.0 has a ROM of its own, of 512 KiB at most, which has not been read "
          "(`vfio-modectl check passthrough --read-rom` does).",
          "" },
        { "a copy, and not read", &copy, CHECK_WARN, "check passthrough --read-rom",
          "another card as the first display" },
        { "none", &none, CHECK_WARN, "has no expansion ROM", "(romfile)" },
        { "not known", NULL, CHECK_WARN, "is not known", "lspci -vs 0000:01:00.0" },
};

static void test_owner(void **state) {
        const struct Owner *row = *state;
        _cleanup_free_ Inspection *inspection = inspection_new();

        rom_check_unread(&(RomOwner){ "gpu", &vga, row->resource }, inspection);
        check_only(inspection, "rom-gpu", row->result, row->says, row->advises);
}

static const struct Read {
        const char *title, *images;
        const Function *function;
        const PciRomResource *resource;
        unsigned damage; /* added to its last byte */
        CheckResult result;
        const char *says, *advises;
} reads[] = {
        { "valid", "x86 efi-zip!", &vga, &own, 0, CHECK_PASS,
          "The ROM of 0000:01:00.0 is complete and valid: 2048 bytes, with x86 and efi x64, "
          "compressed.",
          "" },
        { "of many images", "x86 efi efi sparc!", &vga, &own, 0, CHECK_PASS,
          "with x86, efi x64, efi x64 and open-firmware.", "" },
        { "of more than can be named",
          "x86 efi-zip efi-zip efi-zip efi-zip efi-zip efi-zip efi-zip efi-zip efi-zip efi-zip!",
          &vga, &own, 0, CHECK_PASS, "with x86, efi x64, compressed, efi", "" },
        { "without UEFI", "x86!", &vga, &own, 0, CHECK_PASS,
          "1024 bytes, with x86; nothing for a guest with UEFI.", "" },
        { "of a network card", "x86!", &nic, &own, 0, CHECK_PASS, "1024 bytes, with x86.", "" },
        { "a copy", "x86!", &vga, &copy, 0, CHECK_WARN,
          "in the copy that the firmware has made, and may have changed, is complete and valid",
          "another card as the first display" },
        { "damaged", "x86!", &vga, &own, 1, CHECK_FAIL,
          "The ROM of 0000:01:00.0 is not valid: it has an image whose checksum is wrong.",
          "(romfile)" },
        { "a copy that is damaged", "x86!", &vga, &copy, 1, CHECK_FAIL,
          "has made a copy, is not valid", "another card as the first display" },
        { "empty", "", &vga, &own, 0, CHECK_FAIL, "it is empty", "(romfile)" },
};

static void test_read(void **state) {
        const struct Read *row = *state;
        _cleanup_free_ Inspection *inspection = inspection_new();
        uint8_t data[ROM_WORDS_MAX];
        size_t size = rom_words_make(row->images, id, data);

        if (row->damage > 0)
                data[size - 1] = (uint8_t)(data[size - 1] + row->damage);
        rom_check_read(&(RomOwner){ "gpu", row->function, row->resource }, data, size, inspection);
        check_only(inspection, "rom-gpu", row->result, row->says, row->advises);
}

static const struct Unreadable {
        const char *title;
        const Function *function;
        const PciRomResource *resource;
        ExitCode why;
        CheckResult result;
        const char *advises;
} unreadables[] = {
        { "a driver has it", &busy, &own, EXIT_CODE_BUSY, CHECK_WARN,
          "vfio-modectl rom 0000:01:00.0 --while-in-use" },
        { "a guest has it", &held, &own, EXIT_CODE_BUSY, CHECK_WARN,
          "Check again when that has ended." },
        { "a switch, on no driver", &vga, &own, EXIT_CODE_BUSY, CHECK_WARN,
          "Check again when that has ended." },
        { "a switch, and a copy that no driver minds", &busy, &copy, EXIT_CODE_BUSY, CHECK_WARN,
          "Check again when that has ended." },
        { "it gives none", &held, &own, EXIT_CODE_NOT_VIABLE, CHECK_FAIL, "(romfile)" },
        { "the firmware has made no copy", &busy, &copy, EXIT_CODE_NOT_VIABLE, CHECK_WARN,
          "another card as the first display" },
        { "it is stuck", &held, &own, EXIT_CODE_WEDGED, CHECK_FAIL, "" },
        { "another reason", &held, &own, EXIT_CODE_FAILED, CHECK_WARN, "" },
};

static void test_unreadable(void **state) {
        const struct Unreadable *row = *state;
        _cleanup_free_ Inspection *inspection = inspection_new();

        rom_check_unreadable(&(RomOwner){ "gpu", row->function, row->resource }, row->why,
                             "That is why.", inspection);
        check_only(inspection, "rom-gpu", row->result, "Its ROM has not been read: That is why.",
                   row->advises);
}

/* --- a guest's file --- */

static const struct File {
        const char *title, *images;
        GuestHypervisor hypervisor;
        const char *path; /* NULL: /x.rom */
        int error;
        bool is_captured, is_private;
        size_t header; /* bytes before it */
        struct {
                size_t at;
                unsigned value;
        } change; /* none at 0 */
        CheckResult result;
        const char *says, *advises;
} files[] = {
        { "valid", "x86 efi!", .result = CHECK_PASS,
          .says = "'win' of libvirt gives 0000:01:00.0 the ROM file /x.rom, which is complete and "
                  "valid (x86 and efi x64).",
          .advises = "" },
        { "not for libvirt's user", "x86!", .is_private = true, .result = CHECK_WARN,
          .says = "complete and valid (x86), but not for everybody to read",
          .advises = "chmod a+r" },
        { "Proxmox VE is root", "x86!", GUEST_OF_PROXMOX, .is_private = true, .result = CHECK_PASS,
          .says = "'win' of Proxmox VE gives", .advises = "" },
        { "missing", "", .error = -ENOENT, .result = CHECK_FAIL,
          .says = "which is not there: the guest will not start.", .advises = "Put a ROM" },
        { "below what is no directory", "", .error = -ENOTDIR, .result = CHECK_FAIL,
          .says = "which is not there", .advises = "Put a ROM" },
        { "missing in a capture", "", .error = -ENOENT, .is_captured = true, .result = CHECK_WARN,
          .says = "which was not captured.", .advises = "on the machine itself" },
        { "no file", "", .error = -EISNAM, .result = CHECK_FAIL,
          .says = "which is no plain file: the guest will not start.", .advises = "Put a ROM" },
        { "not readable", "", .error = -EACCES, .result = CHECK_FAIL,
          .says = "which cannot be read (Permission denied): the guest will not start.",
          .advises = "Put a ROM" },
        { "too large", "", .error = -EFBIG, .result = CHECK_FAIL,
          .says = "which is larger than any ROM: ", .advises = "vfio-modectl rom" },
        { "a part of a path", "x86!", .path = "x.rom", .result = CHECK_WARN,
          .says = "which is no whole path and was not looked for", .advises = "whole path" },
        { "empty", "", .result = CHECK_FAIL, .says = "which is empty: the guest will not start.",
          .advises = "Put a ROM" },
        { "no signature", "x86!", .change = { 1, 0xab }, .result = CHECK_FAIL,
          .says = "has no image (55 aa) where one should begin: the guest's firmware does not",
          .advises = "vfio-modectl rom" },
        { "a broken chain", "x86 efi", .result = CHECK_FAIL,
          .says = "ends where another image should follow", .advises = "vfio-modectl rom" },
        { "a wrong sum", "x86!", .change = { ROM_WORDS_IMAGE - 2, 0x4711 }, .result = CHECK_FAIL,
          .says = "has an image whose checksum is wrong", .advises = "vfio-modectl rom" },
        { "a vendor's header", "x86 efi!", .header = 1536, .result = CHECK_FAIL,
          .says = "its first (55 aa) is at byte 1536, behind what may be the header",
          .advises = "tail -c" },
        { "for another card", "x86!", .change = { ROM_WORDS_DATA + 6, 0x2206 },
          .result = CHECK_WARN,
          .says = "has an image for 10de:2206, and the card is 10de:2484: the guest's firmware",
          .advises = "vfio-modectl rom" },
        { "for another card, in the second image", "x86 efi!",
          .change = { ROM_WORDS_IMAGE + ROM_WORDS_DATA + 6, 0x2206 }, .result = CHECK_WARN,
          .says = "has an image for 10de:2206", .advises = "vfio-modectl rom" },
        { "for another card, and cut", "x86 efi", .change = { ROM_WORDS_DATA + 6, 0x2206 },
          .result = CHECK_FAIL, .says = "ends where another image should follow",
          .advises = "vfio-modectl rom" },
};

static void test_file(void **state) {
        const struct File *row = *state;
        _cleanup_free_ Inspection *inspection = inspection_new();
        _cleanup_free_ GuestDefinition *guest = calloc(1, sizeof(*guest));
        uint8_t data[2 * ROM_WORDS_MAX] = { 'N', 'V', 'G', 'I' };
        GuestRom rom = { .address = { .bus = 1 } };
        size_t size = row->header + rom_words_make(row->images, id, data + row->header);

        assert_non_null(guest);
        (void)strcpy(guest->vm.name, "win");
        (void)strcpy(rom.path, row->path ? row->path : "/x.rom");
        guest->hypervisor = row->hypervisor;
        if (row->change.at > 0)
                rom_words_put_16(data + row->change.at, row->change.value);
        guest_rom_check(&(GuestRomFile){ .device = "gpu",
                                         .guest = guest,
                                         .rom = &rom,
                                         .id = id,
                                         .is_of_captured = row->is_captured,
                                         .is_for_all = !row->is_private,
                                         .error = row->error,
                                         .data = data,
                                         .size = size },
                        inspection);
        check_only(inspection, "guest-rom-gpu", row->result, row->says, row->advises);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_owner, owners);
        TABLE_ROWS(&table, test_read, reads);
        TABLE_ROWS(&table, test_unreadable, unreadables);
        TABLE_ROWS(&table, test_file, files);
        return table_run("rom-check", &table);
}
