/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest will run into with a device: its IOMMU group, the screen, what the firmware left in
 * it, resets, power, and the size of its memory. Pure; host/device-facts reads it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "host.h"
#include "inspection.h"
#include "pci-rom.h"
#include "reachability.h"

/** Of a function, beside what Function has. */
typedef struct FunctionFacts {
        char reset[64];       /**< ways to reset it, in the kernel's words; "": none */
        char power_state[16]; /**< D0 … D3cold, unknown, error; "": the kernel does not say */
        char framebuffer[16]; /**< the firmware framebuffer's driver that has memory of it; "": none
                               */
        bool has_reserved_region; /**< the firmware keeps memory of its group (RMRR) */
        bool bars_are_known;
        unsigned bar;           /**< the largest of its BARs */
        uint64_t bar_mib;       /**< how large it is; 0: there is none */
        uint64_t bar_least_mib; /**< how small it can be; 0: not known */
        PciRomResource rom;     /**< where the kernel reads its ROM */
        bool rom_is_known;
} FunctionFacts;

typedef struct DeviceFacts {
        const ConfigDevice *device;
        PciAddress functions[DEVICE_FUNCTIONS_MAX]; /**< the first is the one it is called by */
        FunctionFacts facts[DEVICE_FUNCTIONS_MAX];
        size_t n_functions;
        bool memory_is_known; /**< whose the BARs' memory is */
        bool other_screen;    /**< a screen is connected to a card that the host keeps */
        const Needs *needs;   /**< what the host needs of others in its group; NULL: not known */
} DeviceFacts;

/**
 * Adds the checks `group-NAME`, `reset-NAME` and `power-NAME` of a device; and of one that is a
 * graphics card `screen-NAME`, `framebuffer-NAME`, `bars-NAME` and `rom-NAME`.
 *
 * @taken: every function that the mode takes
 */
void device_check(const DeviceFacts *facts, const Host *host, const PciAddress *taken,
                  size_t n_taken, Inspection *ret);
