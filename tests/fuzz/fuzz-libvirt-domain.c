/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's XML, as libvirt's hook is given it; and the end of its log. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/libvirt-domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same functions are read out of what is written of them. */
static void check_written(const Vm *vm, const GuestRoms *roms) {
        char *xml = libvirt_domain_format(vm, roms);
        Vm *again = calloc(1, sizeof(*again));
        GuestRoms again_roms;

        assert(vm->n_addresses <= VM_ADDRESSES_MAX && xml && again);
        assert(libvirt_domain_parse(xml, strlen(xml), again, &again_roms) == 0);
        assert(again->n_addresses == vm->n_addresses);
        for (size_t i = 0; i < vm->n_addresses; i++)
                assert(pci_address_compare(again->addresses[i], vm->addresses[i]) == 0);
        for (size_t i = 0; i < roms->n; i++)
                assert(guest_roms_has(&again_roms, roms->roms[i].address) ||
                       again_roms.n_left_out > 0);
        free(again);
        free(xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Vm *vm = calloc(1, sizeof(*vm));
        char *text = malloc(size + 1), reason[16];
        GuestRoms roms;

        assert(vm && text);
        if (libvirt_domain_parse((const char *)data, size, vm, &roms) >= 0)
                check_written(vm, &roms);
        for (size_t i = 0; i < roms.n; i++)
                assert(vm_names_function(vm, roms.roms[i].address) && roms.roms[i].path[0] != '\0');
        (void)memcpy(text, data, size);
        text[size] = '\0';
        libvirt_log_reason(text, reason, sizeof(reason));
        assert(strlen(reason) < sizeof(reason));
        free(text);
        free(vm);
        return 0;
}
