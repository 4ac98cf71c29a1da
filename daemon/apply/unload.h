/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unloads the modules of a driver that waits for its users (model/module-stack), and loads them
 * again.
 */
#pragma once

#include "model/refusal.h"
#include "model/run-state.h"
#include "writer.h"

/**
 * Unloads a module. One that is in use is waited for, 3 s at most and 1 s early at boot: udev, say,
 * has a new node open for a moment.
 *
 * @address: of a function that it drives
 * @ret_refusal: busy, with its references and its holders, where -EBUSY is returned
 *
 * Returns 0; -EBUSY; else as writer_unload().
 */
_must_check_ int unload_module(Writer *writer, PciAddress address, const char *module, bool early,
                               Refusal *ret_refusal);

/**
 * Takes a function from its driver by unloading that with what is above it; nothing is unloaded
 * where it has other functions as well.
 *
 * Returns 0; 1 where the driver is none that has to be unloaded, or no module; -EBUSY where it
 * cannot be; else as writer_unload(). Where it fails all are loaded again.
 */
_must_check_ int unload_driver_of(Writer *writer, PciAddress address, const char *driver);

/**
 * Loads the modules that a state lists, those first that were unloaded last. Goes on where one
 * cannot be loaded, but not where the writer is stuck.
 *
 * Returns 0 or the last error, which was logged.
 */
int unload_undo(Writer *writer, const RunState *state);
