/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "ctl/card-rom.h"
#include "ctl/text.h"
#include "host/command.h"
#include "host/host-scan.h"
#include "host/pci-rom-scan.h"
#include "model/refusal.h"

void card_rom_done(CardRom *rom) {
        free(rom->data);
}

_printf_(3, 4) static int refuse(CardRom *rom, int code, const char *format, ...) {
        va_list list;

        va_start(list, format);
        (void)vsnprintf(rom->reason, sizeof(rom->reason), format, list);
        va_end(list);
        return code;
}

int card_rom_find(const Root *root, PciAddress address, CardRom *ret) {
        int r;

        *ret = (CardRom){ 0 };
        (void)pci_address_format(address, ret->address);
        r = host_look_at_function(root, address, &ret->function);
        if (r == -ENOENT || r == -ENODEV)
                return refuse(ret, EXIT_CODE_NOT_VIABLE, "There is no PCI function at %s.",
                              ret->address);
        if (r >= 0) {
                r = pci_rom_scan(root, address, &ret->resource);
                ret->has_resource = r >= 0;
                if (r == -ENOENT && !root->is_live)
                        r = 0;
        }
        if (r < 0)
                return refuse(ret, EXIT_CODE_FAILED, "%s cannot be looked at: %s.", ret->address,
                              strerror(-r));
        if (ret->has_resource && ret->resource.size == 0)
                return refuse(ret, EXIT_CODE_NOT_VIABLE, "%s has no expansion ROM.", ret->address);
        return EXIT_CODE_DONE;
}

bool card_rom_is_permitted(void) {
        if (geteuid() == 0)
                return true;
        complain("Only root may read a ROM.");
        return false;
}

/*
 * The kernel has the function decode its ROM while it is read, and some cards do not answer their
 * driver meanwhile (pci_enable_rom()). A copy in memory is read without the function.
 */
bool card_rom_disturbs_driver(const CardRom *rom) {
        return rom->function.driver[0] != '\0' && !rom->function.on_vfio &&
               !rom->resource.is_shadow;
}

/* What apply has said: lines that its name leads, as one text. */
static void take_words(char *lines, char *buffer, size_t size) {
        static const char prefix[] = "vfio-mode-apply: ";
        size_t length = 0;
        char *line;

        buffer[0] = '\0';
        while ((line = strsep(&lines, "\n")) && length < size) {
                if (strncmp(line, prefix, strlen(prefix)) == 0)
                        line += strlen(prefix);
                if (*line)
                        length += (size_t)snprintf(buffer + length, size - length, "%s%s",
                                                   length > 0 ? " " : "", line);
        }
}

int card_rom_read(CardRom *rom, bool while_in_use) {
        const char *const command[] = { APPLY_PROGRAM, "rom", rom->address, NULL };
        char said[4096], words[REFUSAL_TEXT_SIZE];
        int r;

        if (card_rom_disturbs_driver(rom) && !while_in_use)
                return refuse(rom, EXIT_CODE_BUSY,
                              "%s is in use by its driver %s, which some cards do not answer while "
                              "their ROM is read.",
                              rom->address, rom->function.driver);
        r = command_read(command, PCI_ROM_SIZE_MAX, &rom->data, &rom->size, said, sizeof(said));
        if (r < 0)
                return refuse(rom, EXIT_CODE_FAILED, "%s: %s.", APPLY_PROGRAM,
                              r == -EIO ? "It was ended" : strerror(-r));
        take_words(said, words, sizeof(words));
        if (r > 0)
                return refuse(rom, r > EXIT_APPLY_BASE ? r - EXIT_APPLY_BASE : EXIT_CODE_FAILED,
                              "%s", words);
        if (words[0] != '\0') /* what could not be put back */
                warn("%s", words);
        return EXIT_CODE_DONE;
}
