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
 * Unloads a module with what is above it now, which may be more or less than was planned; each is
 * in the undo log before. One that is in use is waited for, 3 s at most and 1 s early at boot:
 * udev, say, has a new node open for a moment.
 *
 * @address: of a function that it drives
 * @ret_refusal: busy, with its references and its holders, where -EBUSY is returned
 *
 * Returns 0, also where it is not loaded; -EBUSY; else as writer_unload() or undo_log_add_module().
 */
_must_check_ int unload_module(Writer *writer, UndoLog *undo, PciAddress address,
                               const char *module, bool early, Refusal *ret_refusal);

/**
 * Takes a function back from its driver by unloading that with what is above it; and with it the
 * driver's other functions, where the undo log has all of them elsewhere. Else nothing is unloaded.
 *
 * Returns 0; 1 where the driver is none that has to be unloaded, or no module; -EBUSY where it
 * cannot be; else as unload_module(). Where it fails all are loaded again.
 */
_must_check_ int unload_driver_of(Writer *writer, UndoLog *undo, PciAddress address,
                                  const char *driver, bool early);

/**
 * Loads the modules that a state lists, those first that were unloaded last. Goes on where one
 * cannot be loaded, but not where the writer is stuck.
 *
 * Returns 0 or the last error, which was logged.
 */
int unload_undo(Writer *writer, const RunState *state);
