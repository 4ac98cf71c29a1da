/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attribute `resource` is what the kernel keeps in memory, and everybody may read it.
 */
#include <stdio.h>

#include "base/file.h"
#include "pci-rom-scan.h"

int pci_rom_scan(const Root *root, PciAddress address, PciRomResource *ret) {
        char path[64], text[PCI_ADDRESS_SIZE], resource[4096];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/resource",
                       pci_address_format(address, text));
        n = file_read_at(root->fd, path, resource, sizeof(resource));
        return n < 0 ? (int)n : pci_rom_resource_parse(resource, ret);
}
