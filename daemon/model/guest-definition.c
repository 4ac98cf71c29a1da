/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest-definition.h"

bool guest_names_slot(const GuestDefinition *guest, PciAddress address) {
        for (size_t i = 0; i < guest->vm.n_addresses; i++)
                if (pci_address_same_slot(guest->vm.addresses[i], address))
                        return true;
        return false;
}

const char *guest_hypervisor_name(GuestHypervisor hypervisor) {
        static const char *const names[_GUEST_HYPERVISOR_MAX] = { "libvirt", "Proxmox VE" };

        return names[hypervisor];
}
