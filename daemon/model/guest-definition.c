/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/plural.h"
#include "guest-definition.h"

bool guest_names_slot(const GuestDefinition *guest, PciAddress address) {
        for (size_t i = 0; i < guest->vm.n_addresses; i++)
                if (pci_address_same_slot(guest->vm.addresses[i], address))
                        return true;
        return false;
}

static bool is_bound(const GuestDefinition *guest, PciAddress function) {
        for (size_t i = 0; i < guest->vm.n_addresses; i++)
                if (guest->bound >> i & 1 &&
                    pci_address_compare(guest->vm.addresses[i], function) == 0)
                        return true;
        return false;
}

const PciAddress *guest_find_bound(const GuestDefinition *guest, const PciAddress *functions,
                                   size_t n) {
        for (size_t i = 0; i < n; i++)
                if (is_bound(guest, functions[i]))
                        return &functions[i];
        return NULL;
}

const char *guest_hypervisor_name(GuestHypervisor hypervisor) {
        static const char *const names[_GUEST_HYPERVISOR_MAX] = { "libvirt", "Proxmox VE" };

        return names[hypervisor];
}

const char *guest_definitions_unread(const GuestDefinitions *guests,
                                     char buffer[static GUEST_UNREAD_SIZE]) {
        if (guests->dir_is_unread)
                return "Not all definitions of guests could be read";
        if (guests->n_unread == 0)
                return NULL;
        (void)snprintf(buffer, GUEST_UNREAD_SIZE, "%zu definition%s of guests could not be read",
                       guests->n_unread, plural_s(guests->n_unread));
        return buffer;
}
