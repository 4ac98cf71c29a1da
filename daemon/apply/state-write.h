/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /run/vfio-mode, written: the mode in force, the configuration that was accepted, the marks that
 * the udev rule looks at, and how the last run ended.
 */
#pragma once

#include "host/root.h"
#include "model/config.h"
#include "model/plan.h"
#include "model/run-result.h"
#include "model/run-state.h"

/** Makes /run/vfio-mode unless it is there. Returns 0 or mkdir(2)'s error. */
_must_check_ int run_dir_make(const Root *root);

/** Writes the mode in force. Returns 0 or a negative errno; on failure the old one stands. */
_must_check_ int state_write(const Root *root, const RunState *state);

/** Whether the configuration is the one that is kept for the way back. */
bool accepted_is(const Root *root, const Config *config);

/**
 * Keeps the configuration for the way back.
 *
 * Returns 1 where it was written, 0 where it was there already, or a negative errno.
 */
_must_check_ int accepted_write(const Root *root, const Config *config);

/**
 * Leaves a file /run/vfio-mode/vfio/ADDRESS for every function that is wanted on vfio-pci, and no
 * other: units/79-vfio-mode.rules sets the driver_override of a function that comes back if it
 * finds one. It is empty, but for a function that is on a variant of vfio-pci now, whose driver it
 * names.
 *
 * Returns 0 or a negative errno.
 */
_must_check_ int marks_write(const Root *root, const PciAddress *addresses, size_t n);

/** Lists the functions that have a mark. Returns how many, at most @max; 0 also where they cannot
 * be read. */
size_t marks_list(const Root *root, PciAddress *ret, size_t max);

/**
 * Writes how a run ended to @path (RESULT_PATH or BOOT_PATH), for everybody; beside RESULT_PATH the
 * same with names of processes, where it has any, for root only.
 *
 * Returns 0 or a negative errno.
 */
_must_check_ int result_write(const Root *root, const char *path, const RunResult *result);
