/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI addresses and ids as text and as numbers. Pure; the forms are the kernel's own
 * (pci_setup_device in drivers/pci/probe.c names a device, modalias_show in drivers/pci/pci-sysfs.c
 * its modalias).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "pci-address.h"

/* Takes @prefix and then exactly @digits hexadecimal digits, whose value is at most @max. */
static bool take(const char **cursor, const char *prefix, size_t digits, uint32_t max,
                 uint32_t *ret) {
        size_t length = strlen(prefix);
        uint32_t value;

        if (strncmp(*cursor, prefix, length) != 0)
                return false;
        if (parse_hex_digits(*cursor + length, digits, &value) < 0 || value > max)
                return false;
        *cursor += length + digits;
        *ret = value;
        return true;
}

int pci_address_parse(const char *text, PciAddress *ret) {
        size_t domain_digits = strcspn(text, ":");
        uint32_t domain, bus, device, function;
        const char *cursor = text;

        if (domain_digits < 4 || domain_digits > 8)
                return -EINVAL;
        if (!take(&cursor, "", domain_digits, UINT32_MAX, &domain) ||
            !take(&cursor, ":", 2, UINT8_MAX, &bus) || !take(&cursor, ":", 2, 0x1f, &device) ||
            !take(&cursor, ".", 1, PCI_SLOT_FUNCTIONS - 1, &function) || *cursor)
                return -EINVAL;

        *ret = (PciAddress){
                .domain = domain,
                .bus = (uint8_t)bus,
                .device = (uint8_t)device,
                .function = (uint8_t)function,
        };
        return 0;
}

int pci_address_parse_typed(const char *text, PciAddress *ret) {
        static const size_t bus_digits = 2;
        char whole[PCI_ADDRESS_SIZE];
        int n;

        if (strcspn(text, ":") != bus_digits)
                return pci_address_parse(text, ret);
        n = snprintf(whole, sizeof(whole), "0000:%s", text);
        return n < 0 || (size_t)n >= sizeof(whole) ? -EINVAL : pci_address_parse(whole, ret);
}

const char *pci_address_format(PciAddress address, char buffer[static PCI_ADDRESS_SIZE]) {
        (void)snprintf(buffer, PCI_ADDRESS_SIZE, "%04x:%02x:%02x.%x", (unsigned)address.domain,
                       (unsigned)address.bus, address.device & 0x1fu, address.function & 7u);
        return buffer;
}

/* The whole address as one number, in the kernel's order. */
static uint64_t ordinal(PciAddress a) {
        return (uint64_t)a.domain << 24 | (uint64_t)a.bus << 16 | (uint64_t)a.device << 8 |
               a.function;
}

int pci_address_compare(PciAddress a, PciAddress b) {
        return (ordinal(a) > ordinal(b)) - (ordinal(a) < ordinal(b));
}

bool pci_address_same_slot(PciAddress a, PciAddress b) {
        return ordinal(a) >> 8 == ordinal(b) >> 8;
}

int pci_id_parse(const char *text, PciId *ret) {
        const char *cursor = text;
        uint32_t vendor, device;

        if (!take(&cursor, "", 4, UINT16_MAX, &vendor) ||
            !take(&cursor, ":", 4, UINT16_MAX, &device) || *cursor)
                return -EINVAL;

        *ret = (PciId){ .vendor = (uint16_t)vendor, .device = (uint16_t)device };
        return 0;
}

const char *pci_id_format(PciId id, char buffer[static PCI_ID_SIZE]) {
        (void)snprintf(buffer, PCI_ID_SIZE, "%04x:%04x", (unsigned)id.vendor, (unsigned)id.device);
        return buffer;
}

bool pci_id_equal(PciId a, PciId b) {
        return a.vendor == b.vendor && a.device == b.device;
}

int pci_modalias_parse(const char *text, PciModalias *ret) {
        uint32_t vendor, device, subsystem, base_class, sub_class, interface;
        const char *cursor = text;

        if (!take(&cursor, "pci:v", 8, UINT16_MAX, &vendor) ||
            !take(&cursor, "d", 8, UINT16_MAX, &device) ||
            !take(&cursor, "sv", 8, UINT32_MAX, &subsystem) ||
            !take(&cursor, "sd", 8, UINT32_MAX, &subsystem) ||
            !take(&cursor, "bc", 2, UINT8_MAX, &base_class) ||
            !take(&cursor, "sc", 2, UINT8_MAX, &sub_class) ||
            !take(&cursor, "i", 2, UINT8_MAX, &interface) || *cursor)
                return -EINVAL;

        *ret = (PciModalias){
                .id = { .vendor = (uint16_t)vendor, .device = (uint16_t)device },
                .class_code = base_class << 16 | sub_class << 8 | interface,
        };
        return 0;
}
