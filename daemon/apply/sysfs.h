/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writes to a PCI function's sysfs attributes, each with its check. Where one is stuck they
 * return -ETIMEDOUT (writer.h), and nothing is read.
 * Kernel: Documentation/ABI/testing/sysfs-bus-pci.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/root.h"
#include "model/config.h"
#include "model/pci-address.h"
#include "writer.h"

/** Sets driver_override; "" clears it. Returns 0 or write(2)'s error. */
_must_check_ int sysfs_set_override(Writer *writer, PciAddress address, const char *driver);

/** Takes the function from @driver. Returns 0, also where nothing is bound; else write(2)'s error.
 */
_must_check_ int sysfs_unbind(Writer *writer, PciAddress address, const char *driver);

/**
 * Binds the function to a registered driver, unless it is bound to it already.
 *
 * Returns 1 where it is bound to @driver now; 0 where the write succeeded and it is not; else
 * write(2)'s error, -ENOENT where the driver is not registered.
 */
_must_check_ int sysfs_bind(Writer *writer, PciAddress address, const char *driver);

/** Asks the kernel to find a driver. Returns 1 where one is bound now; 0 where none is; else
 * write(2)'s error. */
_must_check_ int sysfs_probe(Writer *writer, PciAddress address);

/**
 * Makes a driver forget an id that was added to it (new_id, or `ids=` of vfio-pci and pci-stub),
 * with every subsystem. What is bound stays bound.
 *
 * @address: the function that it is done for
 *
 * Returns 0; -ENODEV where it has no such id, or another of write(2)'s errors.
 */
_must_check_ int sysfs_remove_id(Writer *writer, PciAddress address, const char *driver, PciId id);

/** Whether a function has no driver and is not enabled, so that it does not answer in memory. False
 * also where that cannot be read. */
bool sysfs_is_disabled(const Root *root, PciAddress address);

/** Enables a function for which sysfs_is_disabled(). Returns 0 or write(2)'s error. */
_must_check_ int sysfs_enable(Writer *writer, PciAddress address);

/** Takes a sysfs_enable() back, unless somebody else has, or a driver has the function by now.
 * Returns 0, else write(2)'s error or that of looking. */
_must_check_ int sysfs_disable(Writer *writer, PciAddress address);

/** Has that done by the writer where it is left alone. Returns as writer_write_at_end(). */
_must_check_ int sysfs_disable_at_end(Writer *writer, PciAddress address);

/** Has a function's expansion ROM readable. Returns 0; -ENOENT where it has none; else write(2)'s
 * error. */
_must_check_ int sysfs_enable_rom(Writer *writer, PciAddress address);

/** Takes that back. Returns as sysfs_enable_rom(). */
_must_check_ int sysfs_disable_rom(Writer *writer, PciAddress address);

/** Has that done by the writer where it is left alone. Returns as writer_write_at_end(). */
_must_check_ int sysfs_disable_rom_at_end(Writer *writer, PciAddress address);

/** Whether to break off a reading. */
typedef bool (*SysfsStop)(void);

/**
 * Reads a function's expansion ROM, which is enabled.
 *
 * @buffer: gets @size bytes at most
 * @stop: asked between two pages
 *
 * Returns how many; -EINTR where @stop said so; -ETIME where it takes more than a minute; -EIO
 * where there is none that the kernel takes for one; -EINVAL where somebody else has disabled it
 * meanwhile; else as writer_read().
 */
_must_check_ ssize_t sysfs_read_rom(Writer *writer, PciAddress address, uint8_t *buffer,
                                    size_t size, SysfsStop stop);

/** Reads the name of the bound driver. Returns 0, @ret being "" where none is; else readlink(2)'s
 * error. */
_must_check_ int sysfs_read_driver(const Root *root, PciAddress address,
                                   char ret[static CONFIG_DRIVER_SIZE]);

/** Whether a driver of that name is registered. */
bool sysfs_has_driver(const Root *root, const char *driver);

/**
 * Finds the PCI driver that a module has registered, which may have another name.
 *
 * Returns 0; -ENOENT where the module is not loaded or has none.
 */
_must_check_ int sysfs_read_driver_of(const Root *root, const char *module,
                                      char ret[static CONFIG_DRIVER_SIZE]);

/** Reads the function's modalias. Returns 0 or the error of reading. */
_must_check_ int sysfs_read_modalias(const Root *root, PciAddress address, char *buffer,
                                     size_t size);
