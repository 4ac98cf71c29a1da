/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Not by the service: it may not write to /sys, and a mere look at a mode changes nothing on the
 * machine. Who asks for this is root, and goes the way of `rom`, with its undo log and refusals.
 */
#include "ctl/check-rom.h"
#include "ctl/card-rom.h"
#include "ctl/local.h"
#include "model/device.h"
#include "model/rom-check.h"

static void read_function(const Root *root, const ConfigDevice *device, const Function *function,
                          Inspection *ret) {
        _cleanup_(card_rom_done) CardRom rom = { 0 };
        RomOwner owner = { .device = device->name };
        int r;

        r = card_rom_find(root, function->address, &rom);
        owner.function = &rom.function;
        owner.resource = rom.has_resource ? &rom.resource : NULL;
        if (r == EXIT_CODE_DONE) {
                r = card_rom_read(&rom, false);
                if (r == EXIT_CODE_DONE)
                        rom_check_read(&owner, rom.data, rom.size, ret);
                else
                        rom_check_unreadable(&owner, (ExitCode)r, rom.reason, ret);
        } else if (function_is_display(&rom.function)) {
                rom_check_unread(&owner, ret);
        }
}

int check_rom(const Arguments *arguments, Inspection *ret) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        const ConfigMode *mode;
        const Config *config;

        machine = local_machine(arguments, MACHINE_SCAN_ALL);
        if (!machine)
                return EXIT_CODE_FAILED;
        config = machine_config(machine);
        mode = config ? config_find_mode(config, ret->mode) : NULL;
        for (size_t i = 0; mode && i < config->n_devices; i++) {
                PciAddress functions[DEVICE_FUNCTIONS_MAX];
                Refusal refusal;
                size_t n = 0;

                if ((mode->vfio_devices & (UINT32_C(1) << i)) == 0 ||
                    device_resolve(&config->devices[i], &machine->host, functions, &n, &refusal) !=
                            REFUSAL_NONE)
                        continue;
                for (size_t j = 0; j < n; j++) {
                        const Function *function = host_find(&machine->host, functions[j]);

                        if (function)
                                read_function(&machine->root, &config->devices[i], function, ret);
                }
        }
        return EXIT_CODE_DONE;
}
