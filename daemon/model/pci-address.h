/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI addresses and ids, as text and as numbers, in the kernel's own forms. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

#define PCI_ADDRESS_SIZE sizeof("ffffffff:ff:1f.7")
#define PCI_ID_SIZE sizeof("ffff:ffff")
#define PCI_SLOT_FUNCTIONS 8

/** One function. The domain has more than 16 bits below Intel VMD (10000:e0:00.0). */
typedef struct PciAddress {
        uint32_t domain;
        uint8_t bus;
        uint8_t device;
        uint8_t function;
} PciAddress;

typedef struct PciId {
        uint16_t vendor;
        uint16_t device;
} PciId;

/** What a PCI device's `modalias` says of it (kernel: drivers/pci/pci-sysfs.c, modalias_show). */
typedef struct PciModalias {
        PciId id;
        uint32_t class_code; /**< 24 bits: base class, sub-class, programming interface */
} PciModalias;

/**
 * Parses "0000:0b:00.0" (4 to 8 hex digits of domain, either case, nothing before or behind).
 *
 * Short forms as lspci prints them are refused: bind and unbind take the whole one only
 * (Documentation/ABI/testing/sysfs-bus-pci), and it must be greppable in the journal.
 *
 * Returns 0, or -EINVAL with @ret untouched.
 */
_must_check_ int pci_address_parse(const char *text, PciAddress *ret);

/** The same of what a person types, who may leave the domain 0000 out as lspci does: "0b:00.0". */
_must_check_ int pci_address_parse_typed(const char *text, PciAddress *ret);

/** Writes the address in the kernel's form, lower case, at least four digits of domain. Returns
 * @buffer. */
const char *pci_address_format(PciAddress address, char buffer[static PCI_ADDRESS_SIZE]);

/** Orders by domain, bus, device, function, as the kernel numbers them: <0, 0 or >0. */
int pci_address_compare(PciAddress a, PciAddress b);

/** Whether both are functions of one slot. */
bool pci_address_same_slot(PciAddress a, PciAddress b);

/** Parses "10de:2484". Returns 0, or -EINVAL with @ret untouched. */
_must_check_ int pci_id_parse(const char *text, PciId *ret);

/** Writes the id as four hex digits each, lower case. Returns @buffer. */
const char *pci_id_format(PciId id, char buffer[static PCI_ID_SIZE]);

/** Whether both are the same vendor and device. */
bool pci_id_equal(PciId a, PciId b);

/**
 * Parses "pci:v000010DEd00002484sv…sd…bc03sc00i00".
 *
 * Returns 0, or -EINVAL with @ret untouched.
 */
_must_check_ int pci_modalias_parse(const char *text, PciModalias *ret);
