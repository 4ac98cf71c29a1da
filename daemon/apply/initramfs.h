/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two ends of a boot whose initramfs has host drivers: there they are kept off the devices of
 * the boot's mode, and here whatever the mode in force does not want is let go again. Between them
 * is nothing but driver_override, which a new root file system does not change.
 */
#pragma once

#include <stdint.h>

#include "host/root.h"
#include "host/state-files.h"
#include "model/boot-choice.h"
#include "model/plan.h"
#include "model/refusal.h"
#include "model/run-state.h"

/** Reads what the kernel command line says of the boot's mode; what cannot be read is logged, and
 * says nothing. */
void boot_read_cmdline(const Root *root, BootChoiceInput *ret);

/* Says to the boot unit that something was kept; /run goes over to the system with what is in it.
 */
#define INITRAMFS_KEPT_PATH RUN_DIR "/initramfs-kept"

/**
 * Gives INITRAMFS_OVERRIDE to the display and multimedia functions that the plan has on vfio-pci,
 * but not to one that has a driver or another's override. Where a function has it, now or from an
 * earlier call, INITRAMFS_KEPT_PATH is there afterwards. What cannot be written is logged.
 *
 * Returns how many were given it.
 */
size_t initramfs_keep(const Root *root, const Host *host, const Plan *plan);

/** What was kept, and is let go. */
typedef struct InitramfsKept {
        PciAddress addresses[RUN_STATE_FUNCTIONS_MAX];
        size_t n;
        Refusal refusal; /**< the worst of what failed; REFUSAL_WEDGED: it is in the undo log */
} InitramfsKept;

/**
 * Takes INITRAMFS_OVERRIDE from every function that still has it: the configuration is another one
 * than that of the image, or cannot be read. A function that an earlier write is stuck at is passed
 * over. Of all first, since this is quick, and a driver's probe() may not be.
 *
 * @since: CLOCK_MONOTONIC, in microseconds: when the boot unit began
 * @mode: the one in force, for the undo log; "": none
 * @ret: filled, also on failure, which was logged
 */
void initramfs_release(const Root *root, uint64_t since, const char *mode, InitramfsKept *ret);

/**
 * Has the kernel look for the drivers of what was released, as far as there is time before the boot
 * unit's is over, and nothing gets stuck. A driver that takes longer stands in the undo log, where
 * the switch of the mode's unit, which comes next, finds whom to wait for.
 *
 * @since, @mode: as for initramfs_release(); without a mode, or a log, nobody comes next, and who
 * takes longer is stuck
 * @kept: its `refusal` is what failed, which was logged
 */
void initramfs_probe(const Root *root, uint64_t since, const char *mode, InitramfsKept *kept);
