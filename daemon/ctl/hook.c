/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `hook`: for the hooks of hypervisors, which call nothing else. It never calls a hypervisor: that
 * waits for its hook.
 */
#include <string.h>

#include "ctl/bus.h"
#include "ctl/hook.h"
#include "ctl/local.h"
#include "ctl/refused.h"
#include "ctl/text.h"
#include "model/device.h"

#define BEGIN_USEC (45 * UINT64_C(1000000)) /* then the start is refused */
#define END_USEC (10 * UINT64_C(1000000))   /* the guard sees for itself that it has ended */

/* Without a configuration that can be used there is nothing of ours. */
static bool names_ours(const Arguments *arguments, const Vm *vm) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        const Config *config;

        if (vm->n_addresses == 0)
                return false;
        machine = local_machine(arguments, MACHINE_SCAN_NOTHING);
        config = machine ? machine_config(machine) : NULL;
        if (!config || machine_scan_for(machine, config) < 0)
                return false;
        for (size_t i = 0; i < vm->n_addresses; i++)
                if (config_device_of(config, &machine->host, vm->addresses[i]))
                        return true;
        return false;
}

int hook_begin(const Arguments *arguments, const Vm *vm) {
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        if (!names_ours(arguments, vm))
                return EXIT_CODE_DONE;
        if (bus_open(NULL, &bus, &error) < 0 || bus_begin_vm(bus, vm, BEGIN_USEC, &error) < 0)
                return refused_complain_of_call(&error, NULL);
        return EXIT_CODE_DONE;
}

int hook_end(const Arguments *arguments, const Vm *vm) {
        _cleanup_(bus_closep) Bus *bus = NULL;
        BusError error;

        if (names_ours(arguments, vm) &&
            (bus_open(NULL, &bus, &error) < 0 || bus_end_vm(bus, vm, END_USEC, &error) < 0))
                (void)refused_complain_of_call(&error, NULL);
        return EXIT_CODE_DONE;
}

void hook_name(const char *name, Vm *vm) {
        _cleanup_free_ char *clean = text_clean(name);
        size_t length = strlen(clean);

        if (length >= sizeof(vm->name))
                length = sizeof(vm->name) - 1;
        while (length > 0 && ((unsigned char)clean[length] & 0xc0) == 0x80)
                length--;
        (void)memcpy(vm->name, clean, length);
        vm->name[length] = '\0';
}

static int run(const Arguments *arguments) {
        const char *hypervisor = arguments->operands[0];
        const char *const *operands = (const char *const *)arguments->operands + 1;
        size_t n = arguments->n_operands - 1;

        if (arguments->root) {
                complain("A captured machine (--root) has no virtual machines.");
                return EXIT_CODE_USAGE;
        }
        if (strcmp(hypervisor, "libvirt") == 0)
                return hook_libvirt(arguments, operands, n);
        if (strcmp(hypervisor, "proxmox") == 0)
                return hook_proxmox(arguments, operands, n);
        complain("'hook' knows libvirt and proxmox, not '%s'; see: vfio-modectl help hook",
                 hypervisor);
        return EXIT_CODE_USAGE;
}

const Verb verb_hook = {
        .name = "hook",
        .synopsis = "HYPERVISOR ARGUMENTS...",
        .summary = "Tell of a virtual machine, as a hypervisor's hook is told",
        .details =
                "For the hooks that come with vfio-mode, which hand over what they are called\n"
                "with. Before a guest starts that names a configured device, the machine goes to\n"
                "a mode that has it, where that mode sets switch-for-vm; else the start is\n"
                "refused, with one line that says why. A guest that names none is left alone.\n",
        .min_operands = 1,
        .max_operands = 9,
        .is_wrapper = true,
        .is_text = true,
        .run = run,
};
