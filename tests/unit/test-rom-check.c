/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of the files that guests are given as ROMs. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/rom-check.h"
#include "rom-words.h"
#include "table.h"

static const PciId id = { 0x10de, 0x2484 };
static Inspection *inspection_new(void) {
        Inspection *inspection = calloc(1, sizeof(*inspection));

        assert_non_null(inspection);
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
          .says = "which was not captured.", .advises = "" },
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

        TABLE_ROWS(&table, test_file, files);
        return table_run("rom-check", &table);
}
