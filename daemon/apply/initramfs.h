/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two ends of a boot whose initramfs has host drivers: there they are kept off the devices of
 * the boot's mode, and here whatever the mode in force does not want is let go again. Between them
 * is nothing but driver_override, which a new root file system does not change.
 */
#pragma once

#include <stdint.h>

#include "host/root.h"
#include "model/boot-choice.h"
#include "model/plan.h"

/** Reads what the kernel command line says of the boot's mode; what cannot be read is logged, and
 * says nothing. */
void boot_read_cmdline(const Root *root, BootChoiceInput *ret);

/**
 * Gives INITRAMFS_OVERRIDE to the display and multimedia functions that the plan has on vfio-pci,
 * but not to one that has a driver or another's override. What cannot be written is logged.
 *
 * Returns how many were given it.
 */
size_t initramfs_keep(const Root *root, const Host *host, const Plan *plan);

/**
 * Takes INITRAMFS_OVERRIDE from every function that still has it, and has the kernel look for its
 * driver: the configuration is another one than that of the image, or cannot be read. What cannot
 * be written is logged.
 *
 * @since: CLOCK_MONOTONIC, in microseconds: when the boot unit began
 */
void initramfs_let_go(const Root *root, uint64_t since);
