/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's configuration on Proxmox VE, its mappings, and storages. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/proxmox-guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same is read out of what is written of it. */
static void check_written(const Vm *vm, const ProxmoxGuest *written) {
        const GuestRoms *roms = &written->roms;
        char *text = proxmox_guest_format(vm, roms, written->bound, written->onboot);
        Vm *again = calloc(1, sizeof(*again));
        ProxmoxGuest guest;

        assert(text && again && proxmox_guest_parse(text, again, &guest) == 0);
        assert(guest.onboot == written->onboot && guest.n_mappings == 0);
        assert(guest.bound == written->bound);
        assert(again->n_addresses == vm->n_addresses);
        for (size_t i = 0; i < vm->n_addresses; i++)
                assert(pci_address_compare(again->addresses[i], vm->addresses[i]) == 0);
        for (size_t i = 0; i < roms->n; i++)
                assert(guest_roms_has(&guest.roms, roms->roms[i].address));
        free(again);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Vm *vm = calloc(1, sizeof(*vm));
        char *text = malloc(size + 1);
        char path[PROXMOX_PATH_SIZE];
        ProxmoxGuest guest;

        assert(vm && text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        if (proxmox_guest_parse(text, vm, &guest) >= 0) {
                assert(vm->n_addresses <= VM_ADDRESSES_MAX);
                for (size_t i = 0; i < guest.n_mappings; i++)
                        if (proxmox_mapping_parse(text, &guest.mappings[i], "pve", vm, &guest) < 0)
                                break;
                check_written(vm, &guest);
        }
        assert(vm->n_addresses <= VM_ADDRESSES_MAX && guest.roms.n <= GUEST_ROMS_MAX);
        for (size_t i = 0; i < guest.roms.n; i++)
                assert(vm_names_function(vm, guest.roms.roms[i].address));
        if (proxmox_storage_parse(text, "local", 5, path) >= 0)
                assert(path[0] == '/' && strlen(path) < sizeof(path));
        free(text);
        free(vm);
        return 0;
}
