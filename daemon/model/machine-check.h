/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the machine can give devices to virtual machines at all, and which words on its kernel
 * command line do not do what people have them for. Pure; host/machine-facts reads it.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "inspection.h"
#include "kernel-cmdline.h"

/* The firmware's picture as a device of the platform (kernel: drivers/firmware/sysfb.c). */
typedef struct FirmwareScreen {
        char device[CONFIG_DRIVER_SIZE]; /**< efi-framebuffer.0, ...; "": none (any more), or not
                                            known who drives it */
        char driver[CONFIG_DRIVER_SIZE]; /**< efifb, simpledrm, ...; "": none */
} FirmwareScreen;

typedef struct MachineFacts {
        bool has_vmx, has_svm;     /**< what the processor says it can (Intel, AMD) */
        bool has_kvm;              /**< the kernel uses it */
        bool has_dmar, has_ivrs;   /**< the firmware's tables of an IOMMU (Intel, AMD) */
        bool has_iommu;            /**< the kernel uses one */
        bool interrupts_are_known; /**< that is: */
        bool remaps_interrupts;    /**< and keeps a device to its own interrupts by it */
        FirmwareScreen screen;
        char cmdline[KERNEL_CMDLINE_MAX]; /**< of the running kernel */
} MachineFacts;

/**
 * Adds the checks `virtualisation`, `iommu`, `interrupts`, and `cmdline-words` for each word that
 * there is something to say of; one that passes where there is none.
 *
 * @more: what a boot into the mode adds to the kernel command line
 */
void machine_check(const MachineFacts *facts, const char *more, Inspection *ret);

/** Whether intel_iommu= can mean nothing: the firmware's table of an IOMMU is AMD's alone. */
bool machine_has_no_intel_iommu(const MachineFacts *facts);

/**
 * Adds the check `passphrase`, of a machine whose root is encrypted and whose initramfs keeps the
 * screen's driver off.
 *
 * @cmdline: of the running kernel
 * @more: what a boot into the mode adds to it
 */
void machine_check_passphrase(const char *cmdline, const char *more, Inspection *ret);
