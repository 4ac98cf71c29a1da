/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says of the machine, as far as a configuration needs it: the facts that a plan is
 * made from. Pure; host/host-scan fills it in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "hugepages.h"
#include "module-stack.h"
#include "pci-address.h"
#include "refusal.h"

#define HOST_FUNCTIONS_MAX \
        256 /* those looked at: configured slots and the members of their groups */

#define PCI_CLASS_BASE_DISPLAY 0x03u
#define PCI_CLASS_BASE_MULTIMEDIA 0x04u
#define PCI_CLASS_BASE_BRIDGE 0x06u
#define PCI_CLASS_VGA 0x0300u

#define VFIO_DRIVER "vfio-pci" /* for whatever has no variant of it */

/* The driver_override that the initramfs leaves: no driver has that name, so whatever is loaded
 * there stays off the function, and the boot unit knows whose it is. */
#define INITRAMFS_OVERRIDE "vfio-mode"

#define HOLDER_UNSEEN (-1)

/** A process that has a device node open. */
typedef struct Holder {
        int pid;              /**< 0: nobody; HOLDER_UNSEEN: somebody */
        char command[16 + 1]; /**< /proc/PID/comm */
        bool is_kept;         /**< never ended, as in NodeHolder */
} Holder;

/** One PCI function (kernel: Documentation/ABI/testing/sysfs-bus-pci). */
typedef struct Function {
        PciAddress address;
        PciId id;
        uint32_t class_code;                      /**< 24 bits */
        char driver[CONFIG_DRIVER_SIZE];          /**< "": none is bound */
        char driver_override[CONFIG_DRIVER_SIZE]; /**< "": unset; what is longer is cut */
        char variant[CONFIG_DRIVER_SIZE]; /**< of vfio-pci, for this function: the driver, or its
                                             module where that is not loaded; "": none */
        bool variant_is_loaded;
        char framebuffer[CONFIG_DRIVER_SIZE]; /**< the firmware's platform device on this display,
                                                 where the kernel does not take it off; "": none */
        Holder holder;                        /**< of its VFIO node, when it is on a vfio driver */
        int iommu_group;                      /**< -1: in none */
        bool on_vfio;                         /**< bound to vfio-pci or a variant of it */
        bool boot_vga;
        bool is_held;       /**< a process has a node of it open; looked at on the way back only */
        bool cannot_return; /**< once taken: no driver is known that it could have on the host */
        bool will_bind; /**< unbound, but a module for it is there: udev's coldplug will load it */
} Function;

typedef struct Host {
        Function functions[HOST_FUNCTIONS_MAX]; /**< ordered by address */
        size_t n_functions;
        bool without_overrides; /**< driver_override was not read */
        bool iommu;             /**< /sys/class/iommu has an entry */
        bool vfio_pci;          /**< the vfio-pci driver is registered */
        bool vfio_iommu_type1;  /**< the module without which no container gets an IOMMU is there */
        ModuleStack stack;      /**< of the driver of a function that waits for its users */
        Memory memory; /**< read where a mode wants hugepages, or some are to be given back */
} Host;

/** Finds a function by its address; NULL where the kernel has none, or it was not looked at. */
const Function *host_find(const Host *host, PciAddress address);

/**
 * Refuses because of a process that has a function's VFIO node open (busy); its name is not for
 * everybody.
 *
 * @verb: "is in use", say, before "by ..."
 */
RefusalKind refusal_set_holder(Refusal *refusal, PciAddress function, const Holder *holder,
                               const char *verb);

/** The VFIO driver that it is on, or is to have: the variant for it, else vfio-pci. */
const char *function_vfio_driver(const Function *function);

/** Whether a driver's name is that of vfio-pci or a variant of it. */
bool driver_name_is_vfio(const char *driver);

/** Whether a driver only keeps a function from the host's: no home, whoever bound it. That is
 * vfio-pci, a variant of it, and pci-stub. */
bool driver_is_no_home(const char *driver);

/** Whether the function is a PCI bridge, which vfio-pci cannot take and a group does without. */
bool function_is_bridge(const Function *function);

/** Whether the function is a display controller of any kind (base class 03). */
bool function_is_display(const Function *function);

/** Whether the function is one of graphics or sound, whose host drivers an initramfs may do
 * without: no root file system comes by it. */
bool function_is_media(const Function *function);

/** The modules that a display's vendor is known to have drivers in, by their number from 0 on; NULL
 * behind the last, and of what is no display. */
const char *function_display_module(const Function *function, size_t index);

/**
 * Whether a group that goes to a guest may hold this function as it is now: it is unbound, a
 * bridge, or its driver does no DMA of its own (kernel: drivers/iommu/iommu.c, driver_managed_dma).
 */
bool function_leaves_group_viable(const Function *function);
