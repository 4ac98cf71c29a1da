/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine made of words: a tree of plain files in a temporary directory that looks like the /sys,
 * /proc, /etc and /run of a PC, for --root=DIR and for unit tests. It is inert by itself;
 * fake-kernel makes writes to it do something. A word that cannot be carried out ends the program:
 * a test on a machine that is not as described would be worth nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct FakeHost FakeHost;

/** One PCI function. What is not named is absent: no driver, no override, no group. */
typedef struct FakeFunction {
        const char *id;              /**< "10de:2484"; needed */
        uint32_t class_code;         /**< 0x030000 */
        const char *driver;          /**< bound to it, and registered for its id from now on */
        const char *driver_override; /**< NULL: unset */
        int group;                   /**< IOMMU group; 0: none */
        bool boot_vga;
} FakeFunction;

/** A graphics card: a display function 0, and an audio function 1 if wanted, in one group. */
typedef struct FakeGpu {
        const char *id;     /**< NULL: 10de:2484 */
        const char *driver; /**< of the display; NULL: unbound */
        int group;          /**< 0: none */
        bool audio; /**< function 1 is 10de:228b on snd_hda_intel, or unbound as the display is */
        bool boot_vga;
        bool not_vga; /**< class 0380 instead of 0300, so it has no boot_vga */
} FakeGpu;

/**
 * Makes a machine without devices: IOMMU on, drivers vfio-pci, pci-stub and pcieport registered,
 * vfio_iommu_type1 loaded, an empty command line. Take away what should not be there with
 * fake_host_remove().
 */
FakeHost *fake_host_new(void);

/** The same in a directory of the caller's, which must be empty and is kept. */
FakeHost *fake_host_new_at(const char *path);

/** Opens its directory again, in a child process that closed what it had inherited. */
void fake_host_reopen(FakeHost *host);

/** Removes the tree (unless it was made in the caller's directory); for cleanup attributes. */
void fake_host_freep(FakeHost **host);

/** The root directory, for root_open() and --root=. */
const char *fake_host_path(const FakeHost *host);

void fake_host_add_function_(FakeHost *host, const char *address, const FakeFunction *function);
#define fake_host_add_function(host, address, ...) \
        fake_host_add_function_((host), (address), &(FakeFunction){ __VA_ARGS__ })

void fake_host_add_gpu_(FakeHost *host, const char *address, const FakeGpu *gpu);
#define fake_host_add_gpu(host, address, ...) \
        fake_host_add_gpu_((host), (address), &(FakeGpu){ __VA_ARGS__ })

/** A PCIe root port on pcieport, header type 1. @group 0: none. */
void fake_host_add_bridge(FakeHost *host, const char *address, int group);

/** A network card 8086:10d3 on e1000e. */
void fake_host_add_nic(FakeHost *host, const char *address, int group);

/** The live machine's processes that are about to be, so that a child of the test's is among them.
 * There is a directory proc. */
void fake_host_add_next_processes(FakeHost *host);

/** Memory of which all is available, and empty pools of hugepages of 2 MiB and of 1 GiB. */
void fake_host_add_memory(FakeHost *host, unsigned mib);

/** Fills a pool, of which so many pages are free. @pool: as "hugepages-2048kB". */
void fake_host_set_pool(FakeHost *host, const char *pool, unsigned pages, unsigned free);

/** How many pages are in a pool, surplus ones too. */
unsigned fake_host_pool(const FakeHost *host, const char *pool);

/** The firmware's framebuffer on its driver, below a function as on 6.12, or (NULL) below none. */
void fake_host_add_framebuffer(FakeHost *host, const char *name, const char *address);

/** Takes the function out of the machine, as if the card was pulled. */
void fake_host_remove_function(FakeHost *host, const char *address);

/** Registers a driver. @ids: as in .fake-ids (fake-pci.h); NULL: none. */
void fake_host_add_driver(FakeHost *host, const char *driver, const char *ids);

/** The same for a variant of vfio-pci, which matches only by driver_override. */
void fake_host_add_vfio_driver(FakeHost *host, const char *driver);

/** Moves a function to another driver ("" unbinds), without a write and so without log and faults.
 */
void fake_host_set_driver(FakeHost *host, const char *address, const char *driver);

/** Sets or ("") clears a driver_override, likewise. */
void fake_host_set_override(FakeHost *host, const char *address, const char *value);

/** A VFIO user holds the group from now on, or lets it go. */
void fake_host_set_group_owned(FakeHost *host, int group, bool owned);

/** Writes a file below the root, with its directories. */
void fake_host_write(FakeHost *host, const char *path, const char *text);

/** Makes a file whose content is not text. */
void fake_host_write_bytes(FakeHost *host, const char *path, const char *bytes, size_t size);

/** Reads a file below the root; NULL where there is none. The caller frees it. */
char *fake_host_read(const FakeHost *host, const char *path);

/** Removes a file, or a directory with all that is in it; it must exist. */
void fake_host_remove(FakeHost *host, const char *path);

bool fake_host_exists(const FakeHost *host, const char *path);

/** Orders failures (see fake-kernel.c) and forgets what was logged; NULL for none. */
void fake_host_set_faults(FakeHost *host, const char *faults);

/** The driver of a function, or "" . The caller frees it. */
char *fake_host_driver(const FakeHost *host, const char *address);

/** All functions with driver and override, a line each, to compare before and after. The caller
 * frees it. */
char *fake_host_snapshot(const FakeHost *host);
