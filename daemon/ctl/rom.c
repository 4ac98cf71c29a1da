/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `rom`: reads a function's expansion ROM, says what is in it and whether it is complete, and keeps
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/plural.h"
#include "ctl/card-rom.h"
#include "ctl/local.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "model/refusal.h"

typedef struct RomDump {
        const Arguments *arguments;
        Root root;
        CardRom card;
        PciRom rom;
        Lines remarks;
} RomDump;

static void rom_dump_done(RomDump *dump) {
        root_close(&dump->root);
        card_rom_done(&dump->card);
        lines_done(&dump->remarks);
}

static bool goes_to_stdout(const Arguments *arguments) {
        return arguments->output && strcmp(arguments->output, "-") == 0;
}

/* --- before it is read --- */

/* Only a file is replaced, and no device or link that may lead to one. */
static int check_file(const char *path, bool may_replace) {
        struct stat info;

        if (lstat(path, &info) < 0)
                return EXIT_CODE_DONE; /* what else is wrong with it shows when it is written */
        if (S_ISREG(info.st_mode) && may_replace)
                return EXIT_CODE_DONE;
        if (S_ISREG(info.st_mode))
                complain("%s is there already; --force replaces it.", path);
        else
                complain("%s is there already, and is no file.", path);
        return EXIT_CODE_FAILED;
}

/* What would be left unheard. */
static int check_options(const Arguments *arguments) {
        if (arguments->options & VERB_OPTION_FORCE &&
            (!arguments->output || goes_to_stdout(arguments))) {
                complain("--force goes with the FILE of -o.");
                return EXIT_CODE_USAGE;
        }
        if (arguments->options & VERB_OPTION_WHILE_IN_USE && arguments->root) {
                complain("No driver has a card of a captured machine (--root): --while-in-use "
                         "does not go with it.");
                return EXIT_CODE_USAGE;
        }
        return EXIT_CODE_DONE;
}

static int check_output(const Arguments *arguments) {
        if (!arguments->output)
                return EXIT_CODE_DONE;
        if (!goes_to_stdout(arguments))
                return check_file(arguments->output, arguments->options & VERB_OPTION_FORCE);
        if (arguments->json != JSON_OFF) {
                complain("--json and -o - would both write to the standard output.");
                return EXIT_CODE_USAGE;
        }
        if (arguments->terminal) {
                complain("A ROM is nothing for a terminal; send it to a file or a pipe.");
                return EXIT_CODE_USAGE;
        }
        return EXIT_CODE_DONE;
}

static int find_function(RomDump *dump, const char *text) {
        PciAddress address;
        int r;

        if (pci_address_parse_typed(text, &address) < 0) {
                complain("`rom` takes a PCI address, such as 0000:01:00.0, not '%s'.", text);
                return EXIT_CODE_USAGE;
        }
        if (local_root(dump->arguments, &dump->root) < 0)
                return EXIT_CODE_FAILED;
        r = card_rom_find(&dump->root, address, &dump->card);
        if (r != EXIT_CODE_DONE)
                complain("%s", dump->card.reason);
        return r;
}

/* --- reading --- */

static int read_captured(RomDump *dump) {
        char path[64], *data = NULL;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/rom", dump->card.address);
        n = file_read_alloc_at(dump->root.fd, path, PCI_ROM_SIZE_MAX, &data);
        if (n == -ENOENT) {
                complain("The ROM of %s was not captured.", dump->card.address);
                return EXIT_CODE_NOT_VIABLE;
        }
        if (n < 0) {
                complain("%s/%s cannot be read: %s", dump->arguments->root, path,
                         strerror((int)-n));
                return EXIT_CODE_FAILED;
        }
        dump->card.data = (uint8_t *)data;
        dump->card.size = (size_t)n;
        return EXIT_CODE_DONE;
}

static int read_live(RomDump *dump) {
        bool while_in_use = dump->arguments->options & VERB_OPTION_WHILE_IN_USE;
        int r;

        if (!card_rom_is_permitted())
                return EXIT_CODE_NOT_AUTHORISED;
        r = card_rom_read(&dump->card, while_in_use);
        if (r != EXIT_CODE_DONE)
                complain("%s%s", dump->card.reason,
                         card_rom_disturbs_driver(&dump->card) && !while_in_use
                                 ? " Switch to a mode that has it on vfio-pci, or add "
                                   "--while-in-use."
                                 : "");
        return r;
}

/* --- what is said of it --- */

static void remark_on_copy(RomDump *dump) {
        bool is_known = dump->card.has_resource;

        if (is_known ? dump->card.resource.is_shadow : dump->card.function.boot_vga)
                lines_add(&dump->remarks,
                          "This %s the copy that the firmware has made in memory of the ROM of the "
                          "card that the PC has booted with, and may have changed; it is the same "
                          "in every mode. To read the card's own, boot once with another card as "
                          "the first display.",
                          is_known ? "is" : "may be");
}

static void remark(RomDump *dump) {
        size_t rest = dump->card.size - dump->rom.length;

        remark_on_copy(dump);
        if (dump->card.size > dump->rom.length && dump->rom.fault == PCI_ROM_GOOD)
                lines_add(&dump->remarks,
                          "%zu byte%s behind the last image %s no image, but may be the vendor's.",
                          rest, plural_s(rest), plural_are(rest));
        if (function_is_display(&dump->card.function) && dump->rom.n_images > 0 &&
            !pci_rom_has_code(&dump->rom, PCI_ROM_CODE_EFI))
                lines_add(&dump->remarks,
                          "It has no image for UEFI: a guest with such a firmware shows nothing on "
                          "the card before its driver does.");
}

static void add_row(Table *table, const PciRomImage *image) {
        char text[PCI_ROM_IMAGE_TEXT_SIZE];
        char id[PCI_ID_SIZE];

        table_add(table, COLOUR_NONE, "0x%zx", image->offset);
        table_add(table, COLOUR_NONE, "%zu", image->length);
        table_add(table, COLOUR_NONE, "%s", pci_rom_image_format(image, text));
        table_add(table, COLOUR_NONE, "%s", pci_id_format(image->id, id));
        table_add(table, image->fault == PCI_ROM_GOOD ? COLOUR_GREEN : COLOUR_RED, "%s",
                  image->fault == PCI_ROM_GOOD ? "good" : pci_rom_fault_name(image->fault));
}

static void print_text(const RomDump *dump) {
        static const char *const headers[] = { "OFFSET", "BYTES", "IMAGE", "FOR", "STATE" };
        _cleanup_(table_freep) Table *table = table_new(headers, ARRAY_SIZE(headers));
        const Arguments *arguments = dump->arguments;

        for (size_t i = 0; i < dump->rom.n_images; i++)
                add_row(table, &dump->rom.images[i]);
        if (dump->rom.n_images > 0)
                table_print(table, 0, !arguments->quiet, arguments->coloured);
        if (arguments->quiet)
                return;
        if (pci_rom_fault(&dump->rom) == PCI_ROM_GOOD)
                text_line(stdout, "The ROM is complete and valid.");
        if (arguments->output)
                text_line(stdout, "%zu byte%s %s written to %s.", dump->card.size,
                          plural_s(dump->card.size), plural_are(dump->card.size),
                          arguments->output);
}

static json_object *describe_image(const PciRomImage *image) {
        bool is_efi = image->code_type == PCI_ROM_CODE_EFI;
        json_object *object = json_new();
        char id[PCI_ID_SIZE];

        json_add_integer(object, "offset", (int64_t)image->offset);
        json_add_integer(object, "size", (int64_t)image->length);
        json_add_string(object, "type", pci_rom_code_name(image->code_type));
        json_add_integer(object, "code_type", image->code_type);
        json_add_string(object, "machine",
                        is_efi ? pci_rom_machine_name(image->efi_machine) : NULL);
        json_add_string(object, "id", pci_id_format(image->id, id));
        json_add_string(object, "fault",
                        image->fault == PCI_ROM_GOOD ? NULL : pci_rom_fault_name(image->fault));
        return object;
}

static void print_json(const RomDump *dump) {
        _cleanup_json_ json_object *answer = json_answer();
        json_object *images = json_list(), *remarks = json_list();
        const PciRomFault fault = pci_rom_fault(&dump->rom);
        char id[PCI_ID_SIZE];

        json_add_string(answer, "address", dump->card.address);
        json_add_string(answer, "id", pci_id_format(dump->card.function.id, id));
        json_add_integer(answer, "size", (int64_t)dump->card.size);
        json_add_bool(answer, "valid", fault == PCI_ROM_GOOD);
        json_add_string(answer, "fault", fault == PCI_ROM_GOOD ? NULL : pci_rom_fault_name(fault));
        if (dump->card.has_resource)
                json_add_bool(answer, "shadow", dump->card.resource.is_shadow);
        else
                json_add(answer, "shadow", NULL);
        for (size_t i = 0; i < dump->rom.n_images; i++)
                json_append(images, describe_image(&dump->rom.images[i]));
        json_add(answer, "images", images);
        for (size_t i = 0; i < dump->remarks.n_lines; i++)
                json_append_string(remarks, dump->remarks.lines[i]);
        json_add(answer, "remarks", remarks);
        json_add_string(answer, "file", dump->arguments->output);
        json_print(answer, dump->arguments->json);
}

/* --- all of it --- */

/* For everybody: what is in it is no secret, and the user that QEMU runs as has to read it. */
static int write_output(const RomDump *dump) {
        const char *path = dump->arguments->output;
        int r;

        if (!path)
                return EXIT_CODE_DONE;
        if (goes_to_stdout(dump->arguments)) /* main() sees whether it got there */
                return fwrite(dump->card.data, 1, dump->card.size, stdout) == dump->card.size
                               ? EXIT_CODE_DONE
                               : EXIT_CODE_FAILED;
        r = file_replace_synced_at(AT_FDCWD, path, (const char *)dump->card.data, dump->card.size);
        if (r >= 0)
                return EXIT_CODE_DONE;
        complain("%s cannot be written: %s", path, strerror(-r));
        return r == -EACCES || r == -EPERM ? EXIT_CODE_NOT_AUTHORISED : EXIT_CODE_FAILED;
}

static int judge(RomDump *dump) {
        const Arguments *arguments = dump->arguments;
        PciRomFault fault;

        pci_rom_parse(dump->card.data, dump->card.size, dump->card.function.id, &dump->rom);
        fault = pci_rom_fault(&dump->rom);
        remark(dump);
        if (arguments->json != JSON_OFF)
                print_json(dump);
        else {
                if (!goes_to_stdout(arguments))
                        print_text(dump);
                for (size_t i = 0; i < dump->remarks.n_lines; i++)
                        warn("%s", dump->remarks.lines[i]);
        }
        if (fault == PCI_ROM_GOOD)
                return EXIT_CODE_DONE;
        complain("The ROM of %s is not valid: it %s.", dump->card.address,
                 pci_rom_fault_text(fault));
        return EXIT_CODE_NOT_VIABLE;
}

static int run(const Arguments *arguments) {
        _cleanup_(rom_dump_done) RomDump dump = { .arguments = arguments, .root = ROOT_NULL };
        int r;

        r = check_options(arguments);
        if (r == EXIT_CODE_DONE)
                r = check_output(arguments);
        if (r == EXIT_CODE_DONE)
                r = find_function(&dump, arguments->operands[0]);
        if (r == EXIT_CODE_DONE)
                r = dump.root.is_live ? read_live(&dump) : read_captured(&dump);
        if (r == EXIT_CODE_DONE)
                r = write_output(&dump);
        return r == EXIT_CODE_DONE ? judge(&dump) : r;
}

const Verb verb_rom = {
        .name = "rom",
        .synopsis = "ADDRESS [-o FILE | --output=FILE] [--force] [--while-in-use]",
        .summary = "Read a card's expansion ROM, and check it",
        .details =
                "Says what images the ROM has, and whether it is complete and valid; where it is\n"
                "not, the exit status is 5. Says also where it is only a copy that the firmware\n"
                "has made, as of the card that the PC has booted with. It is read through the\n"
                "kernel, by root, of a function that is on vfio-pci and not used by a guest, or\n"
                "that has no driver. Of a captured machine (--root), what was captured is read.\n"
                "\n"
                "  -o FILE, --output=FILE    Write the ROM there, also where it is not valid; to\n"
                "                            the standard output where FILE is \"-\".\n"
                "  --force                   Replace FILE where it is there.\n"
                "  --while-in-use            Read the ROM also while a driver of the host has the\n"
                "                            function; some cards do not answer it meanwhile.\n",
        .min_operands = 1,
        .max_operands = 1,
        .options = VERB_OPTION_OUTPUT | VERB_OPTION_FORCE | VERB_OPTION_WHILE_IN_USE,
        .run = run,
};
