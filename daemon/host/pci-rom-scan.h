/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be known of a function's expansion ROM without reading it. Reading it is apply's: it
 * takes writing to sysfs.
 */
#pragma once

#include "model/pci-rom.h"
#include "root.h"

/** Reads where the kernel would read a function's ROM. Wakes nothing. Returns 0; -EBADMSG; else the
 * error of reading, -ENOENT where there is no such function. */
_must_check_ int pci_rom_scan(const Root *root, PciAddress address, PciRomResource *ret);
