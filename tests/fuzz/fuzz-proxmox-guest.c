/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's configuration on Proxmox VE, its mappings, and storages. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/proxmox-guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
                        if (proxmox_mapping_parse(text, guest.mappings[i], "pve", vm) < 0)
                                break;
        }
        assert(vm->n_addresses <= VM_ADDRESSES_MAX);
        if (proxmox_storage_parse(text, "local", 5, path) >= 0)
                assert(path[0] == '/' && strlen(path) < sizeof(path));
        free(text);
        free(vm);
        return 0;
}
