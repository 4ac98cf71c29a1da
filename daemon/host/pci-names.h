/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vendor and device names out of pci.ids, through libpci. Only where a person reads them: libpci's
 * default error callback exits the process, and it looks into the caller's home directory.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/pci-address.h"

typedef struct PciNames PciNames;

/** Opens the names database; it is read at the first look-up. Returns 0 or -ENOMEM. */
_must_check_ int pci_names_open(PciNames **ret);

/** Closes it and sets it to NULL; for `_cleanup_(pci_names_closep)`. */
void pci_names_closep(PciNames **names);

/**
 * Writes "Vendor Device", or the numbers where the database does not know them; cut where it does
 * not fit. Never asks the network. Returns @buffer.
 */
const char *pci_names_device(PciNames *names, PciId id, char *buffer, size_t size);

/** Writes the class's name, such as "VGA compatible controller". Returns @buffer. */
const char *pci_names_class(PciNames *names, uint32_t class_code, char *buffer, size_t size);
