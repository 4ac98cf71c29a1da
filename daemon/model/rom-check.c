/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a ROM that is not right does: QEMU does not start without the file that it was told of
 * (hw/pci/pci.c, pci_add_option_rom()), but does not look into it. The guest's firmware leaves an
 * image alone that has another signature, sum or id (SeaBIOS: src/optionroms.c; UEFI Specification
 * 2.10, 14.4.2), and the card stays dark until a driver comes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rom-check.h"

#define IMAGES_SIZE 160

#define FIND_ONE "If a guest needs one, give it a file of that very card's (romfile)."
#define FIND_CLEAN                                                                         \
        "If a guest stays dark, read the card's ROM by `vfio-modectl rom` in a boot with " \
        "another card as the first display, and give it that file (romfile)."

/* As far as there is room to name them. */
static const char *name_images(const PciRom *rom, char buffer[static IMAGES_SIZE]) {
        size_t length = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < rom->n_images && length < IMAGES_SIZE; i++) {
                char text[PCI_ROM_IMAGE_TEXT_SIZE];

                length += (size_t)snprintf(buffer + length, IMAGES_SIZE - length, "%s%s",
                                           i == 0                   ? ""
                                           : i + 1 == rom->n_images ? " and "
                                                                    : ", ",
                                           pci_rom_image_format(&rom->images[i], text));
        }
        return buffer;
}

/* --- a function's own ROM --- */

_printf_(5, 6) static void add(const RomOwner *owner, CheckResult result, const char *advice,
                               Inspection *ret, const char *format, ...) {
        char id[sizeof("rom-") + CONFIG_NAME_SIZE], text[REFUSAL_TEXT_SIZE];
        va_list list;

        va_start(list, format);
        (void)vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        (void)snprintf(id, sizeof(id), "rom-%s", owner->device);
        inspection_add_check(ret, result, id, advice, "%s", text);
}

void rom_check_unread(const RomOwner *owner, Inspection *ret) {
        char address[PCI_ADDRESS_SIZE], advice[128];

        (void)pci_address_format(owner->function->address, address);
        (void)snprintf(advice, sizeof(advice), "On the machine itself, `lspci -vs %s` shows it.",
                       address);
        if (!owner->resource)
                add(owner, CHECK_WARN, advice, ret, "Whether %s has an expansion ROM is not known.",
                    address);
        else if (owner->resource->size == 0)
                add(owner, CHECK_WARN, FIND_ONE, ret,
                    "%s has no expansion ROM that a guest's firmware could draw with.", address);
        else if (owner->resource->is_shadow)
                add(owner, CHECK_WARN, FIND_CLEAN, ret,
                    "The PC has booted with %s: its ROM is the copy that the firmware made, if "
                    "any. It has not been read (`vfio-modectl check %s --read-rom` does).",
                    address, ret->mode);
        else
                add(owner, CHECK_PASS, "", ret,
                    "%s has a ROM of its own, of %" PRIu64
                    " KiB at most, which has not been read (`vfio-modectl check %s --read-rom` "
                    "does).",
                    address, owner->resource->size / 1024, ret->mode);
}

void rom_check_read(const RomOwner *owner, const uint8_t *data, size_t size, Inspection *ret) {
        char address[PCI_ADDRESS_SIZE], images[IMAGES_SIZE];
        bool is_copy = owner->resource->is_shadow;
        const char *lacks = "";
        PciRom rom;

        (void)pci_address_format(owner->function->address, address);
        pci_rom_parse(data, size, owner->function->id, &rom);
        if (pci_rom_fault(&rom) != PCI_ROM_GOOD) {
                add(owner, CHECK_FAIL, is_copy ? FIND_CLEAN : FIND_ONE, ret,
                    "The ROM of %s%s is not valid: it %s.", address,
                    is_copy ? ", of which the firmware has made a copy," : "",
                    pci_rom_fault_text(pci_rom_fault(&rom)));
                return;
        }
        if (function_is_display(owner->function) && !pci_rom_has_code(&rom, PCI_ROM_CODE_EFI))
                lacks = "; nothing for a guest with UEFI";
        add(owner, is_copy ? CHECK_WARN : CHECK_PASS, FIND_CLEAN, ret,
            "The ROM of %s%s is complete and valid: %zu bytes, with %s%s.", address,
            is_copy ? ", in the copy that the firmware has made, and may have changed," : "", size,
            name_images(&rom, images), lacks);
}

void rom_check_unreadable(const RomOwner *owner, ExitCode why, const char *text, Inspection *ret) {
        bool is_copy = owner->resource->is_shadow;
        CheckResult result = CHECK_WARN;
        char advice[256] = "";

        if (why == EXIT_CODE_BUSY && owner->function->driver[0] != '\0' &&
            !owner->function->on_vfio && !is_copy) {
                char address[PCI_ADDRESS_SIZE];

                (void)snprintf(advice, sizeof(advice),
                               "Check again in a mode that has it on vfio-pci; or read it beside "
                               "the driver: vfio-modectl rom %s --while-in-use",
                               pci_address_format(owner->function->address, address));
        } else if (why == EXIT_CODE_BUSY) {
                (void)snprintf(advice, sizeof(advice), "Check again when that has ended.");
        } else if (why == EXIT_CODE_NOT_VIABLE) {
                (void)snprintf(advice, sizeof(advice), "%s", is_copy ? FIND_CLEAN : FIND_ONE);
                /* A firmware of today makes no copy: that is not the card's fault. */
                result = is_copy ? CHECK_WARN : CHECK_FAIL;
        } else if (why == EXIT_CODE_WEDGED) {
                result = CHECK_FAIL;
        }
        add(owner, result, advice, ret, "Its ROM has not been read: %s", text);
}

/* --- a guest's file --- */

typedef struct Verdict {
        CheckResult result;
        char what[192]; /* behind "which" */
        const char *follows, *advice;
} Verdict;

#define NO_START ": the guest will not start"
#define STAYS_DARK ": the guest's firmware does not run it"
#define PUT_THERE "Put a ROM of that very card there, or take the file out of the definition."
#define READ_ANEW \
        "Read the card's ROM by `vfio-modectl rom`, or take the file out of the definition."

#define LET_READ                                                                                   \
        "Put it below /usr/share/vgabios, which libvirt's guests may read, and name it there; or " \
        "add a rule to /etc/apparmor.d/local/abstractions/libvirt-qemu."

static void judge_error(const GuestRomFile *file, Verdict *ret) {
        const char *error = strerrordesc_np(-file->error);
        bool is_missing = file->error == -ENOENT || file->error == -ENOTDIR;

        if (is_missing && file->is_of_captured)
                *ret = (Verdict){ CHECK_WARN, "was not captured", "",
                                  "Have it checked on the machine itself." };
        else if (is_missing)
                *ret = (Verdict){ CHECK_FAIL, "is not there", NO_START, PUT_THERE };
        else if (file->error == -EISNAM)
                *ret = (Verdict){ CHECK_FAIL, "is no plain file", NO_START, PUT_THERE };
        else if (file->error == -EFBIG)
                *ret = (Verdict){ CHECK_FAIL, "is larger than any ROM", STAYS_DARK, READ_ANEW };
        else {
                *ret = (Verdict){ CHECK_FAIL, "", NO_START, PUT_THERE };
                (void)snprintf(ret->what, sizeof(ret->what), "cannot be read (%s)",
                               error ? error : "unknown error");
        }
}

/* Some images may be for others: ROMs of one board for several. */
static bool has_only_strangers(const PciRom *rom) {
        for (size_t i = 0; i < rom->n_images; i++)
                if (rom->images[i].fault != PCI_ROM_GOOD &&
                    rom->images[i].fault != PCI_ROM_OTHER_DEVICE)
                        return false;
        return rom->fault == PCI_ROM_GOOD;
}

static void judge_stranger(const GuestRomFile *file, const PciRom *rom, Verdict *ret) {
        char is[PCI_ID_SIZE], should[PCI_ID_SIZE];
        size_t i = 0;

        while (rom->images[i].fault != PCI_ROM_OTHER_DEVICE)
                i++;
        *ret = (Verdict){ CHECK_WARN, "", STAYS_DARK, READ_ANEW };
        (void)snprintf(ret->what, sizeof(ret->what), "has an image for %s, and the card is %s",
                       pci_id_format(rom->images[i].id, is), pci_id_format(file->id, should));
}

static void judge_fault(const GuestRomFile *file, const PciRom *rom, Verdict *ret) {
        size_t before = rom->n_images == 0 ? pci_rom_find(file->data, file->size) : 0;

        if (rom->fault == PCI_ROM_EMPTY) {
                *ret = (Verdict){ CHECK_FAIL, "is empty", NO_START, PUT_THERE };
        } else if (before > 0) {
                *ret = (Verdict){
                        CHECK_FAIL, "", STAYS_DARK,
                        "Where it is one, cut it off, as by tail -c, and give the guest the rest; "
                        "or read the card's ROM by `vfio-modectl rom`, which has no such header."
                };
                (void)snprintf(
                        ret->what, sizeof(ret->what),
                        "begins with no image: its first (55 aa) is at byte %zu, behind what may "
                        "be the header of a vendor's flash program",
                        before);
        } else {
                *ret = (Verdict){ CHECK_FAIL, "", STAYS_DARK, READ_ANEW };
                (void)snprintf(ret->what, sizeof(ret->what), "%s",
                               pci_rom_fault_text(pci_rom_fault(rom)));
        }
}

static void judge_good(const GuestRomFile *file, const PciRom *rom, Verdict *ret) {
        char images[IMAGES_SIZE];

        *ret = (Verdict){ CHECK_PASS, "", "", "" };
        if (!file->is_for_all && file->guest->hypervisor == GUEST_OF_LIBVIRT)
                *ret = (Verdict){ CHECK_WARN, "",
                                  ", but not for everybody to read: QEMU, which libvirt runs as a "
                                  "user of its own, may not be able to",
                                  "Let everybody read it (chmod a+r)." };
        (void)snprintf(ret->what, sizeof(ret->what), "is complete and valid (%s)",
                       name_images(rom, images));
}

static void judge(const GuestRomFile *file, Verdict *ret) {
        PciRom rom;

        if (file->rom->path[0] != '/') {
                *ret = (Verdict){ CHECK_WARN, "is no whole path and was not looked for",
                                  ": QEMU looks in directories of its own",
                                  "Name it by its whole path." };
                return;
        }
        if (file->error < 0) {
                judge_error(file, ret);
                return;
        }
        pci_rom_parse(file->data, file->size, file->id, &rom);
        if (pci_rom_fault(&rom) == PCI_ROM_GOOD)
                judge_good(file, &rom, ret);
        else if (has_only_strangers(&rom))
                judge_stranger(file, &rom, ret);
        else
                judge_fault(file, &rom, ret);
}

void guest_rom_check(const GuestRomFile *file, Inspection *ret) {
        char id[sizeof(INSPECTION_GUEST_ROM) + CONFIG_NAME_SIZE], address[PCI_ADDRESS_SIZE];
        Verdict verdict;

        judge(file, &verdict);
        (void)snprintf(id, sizeof(id), INSPECTION_GUEST_ROM "%s", file->device);
        inspection_add_check(ret, verdict.result, id, verdict.advice,
                             "'%s' of %s gives %s the ROM file %s, which %s%s.",
                             file->guest->vm.name, guest_hypervisor_name(file->guest->hypervisor),
                             pci_address_format(file->rom->address, address), file->rom->path,
                             verdict.what, verdict.follows);
        if (file->is_confined)
                inspection_add_check(
                        ret, CHECK_WARN, id, LET_READ,
                        "'%s' of %s runs under AppArmor, and no rule that is understood here lets "
                        "it read the ROM file %s: it may not start.",
                        file->guest->vm.name, guest_hypervisor_name(file->guest->hypervisor),
                        file->rom->path);
}
