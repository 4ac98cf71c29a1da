/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's PCI driver core, played on a tree of plain files: what a write to a sysfs attribute
 * does to the `driver` links, and the errno it returns (drivers/base/{bus,dd}.c,
 * drivers/pci/pci-driver.c, drivers/vfio/pci/ of 6.1 and 6.12). tests/conformance holds it to the
 * real kernel. Knows nothing of the project.
 *
 * What sysfs does not show is written into the tree as hidden files:
 *
 *     .fake-kernel                          marks the root of such a tree
 *     sys/bus/pci/drivers/X/.fake-ids       ids that X matches, one "vvvv:dddd" a line; "*": its
 *                                           probe takes any other device too that it is given
 *     sys/bus/pci/drivers/X/.fake-dynids    those added by new_id
 *     sys/bus/pci/drivers/X/.fake-vfio      X is vfio-pci or a variant of it
 *     sys/kernel/iommu_groups/N/.fake-owner a VFIO user holds the group
 */
#pragma once

#include <stddef.h>

#define FAKE_MARKER ".fake-kernel"
#define FAKE_FAULTS ".fake-faults"
#define FAKE_LOG ".fake-log"

/** What an attribute is written for. */
typedef enum FakeVerb {
        FAKE_OVERRIDE,
        FAKE_BIND,
        FAKE_UNBIND,
        FAKE_PROBE,
        FAKE_NEW_ID,
        FAKE_REMOVE_ID,
        FAKE_HUGEPAGES,     /**< nr_hugepages; the pool's directory stands for the driver */
        FAKE_POWER,         /**< power/control */
        FAKE_D3COLD,        /**< d3cold_allowed */
        FAKE_PLATFORM_BIND, /**< of a platform device, which stands for the address */
        FAKE_PLATFORM_UNBIND,
} FakeVerb;

/** One write, taken apart. */
typedef struct FakeWrite {
        FakeVerb verb;
        char address[64]; /**< the device: from the path for its own attributes, else from the text;
                             "": none */
        char driver[64];  /**< the driver whose attribute it is; "": none */
        const char *text; /**< what was written; borrowed */
        size_t length;
} FakeWrite;

/**
 * Does to the tree what the kernel would do.
 *
 * @root_fd: the tree's root directory
 *
 * Returns 0, or the negative errno that the kernel's write(2) fails with.
 */
int fake_pci_write(int root_fd, const FakeWrite *write);

/**
 * The same for whatever is written to: a pool of hugepages too, and nothing for a write of nothing.
 */
int fake_write(int root_fd, const FakeWrite *write);

/** Writes a whole file, past the interposed write(2). Returns 0 or a negative errno. */
int fake_file_write(int root_fd, const char *path, int flags, const char *text, size_t length);

/** Reads a file into @buffer, terminated; an unreadable one is empty. Returns the length. */
size_t fake_file_read(int root_fd, const char *path, char *buffer, size_t size);
