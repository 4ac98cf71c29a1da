/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Undo before do: where a function was is written to /run/vfio-mode/undo before the first step that
 * moves it, so that whoever comes after a killed apply knows where it belongs.
 */
#pragma once

#include "host/root.h"
#include "model/run-state.h"

typedef struct UndoLog {
        int root_fd;    /**< borrowed */
        int fd;         /**< the open log, for appending; -1: not open */
        RunState state; /**< what the log holds */
} UndoLog;

#define UNDO_LOG_NULL ((UndoLog){ .root_fd = -1, .fd = -1 })

/**
 * Starts a new log, in place of one that a killed apply left.
 *
 * @before: what it begins with: the units that stand stopped, which this switch may start again,
 * and all that the killed one had moved, so that to undo this switch undoes that, too; NULL: none
 *
 * Returns 0 or a negative errno.
 */
_must_check_ int undo_log_open(const Root *root, const char *old_mode, const char *mode,
                               const RunState *before, UndoLog *ret);

/**
 * Notes that a unit runs and is about to be stopped, unless it is noted already. Where only the
 * file cannot be written, `state` has it all the same. Returns 0 or a negative errno.
 */
_must_check_ int undo_log_add_unit(UndoLog *log, const StoppedUnit *unit);

/** Notes a function's place, unless it is noted already. Returns 0 or a negative errno. */
_must_check_ int undo_log_add(UndoLog *log, const HomeFunction *home);

/** Notes how many hugepages of a size there are, unless it is noted already. Returns as
 * undo_log_add(). */
_must_check_ int undo_log_add_pool(UndoLog *log, HugepageSize size, uint64_t pages);

/** Notes that a module is about to be unloaded, unless it is noted already. Returns as
 * undo_log_add(). */
_must_check_ int undo_log_add_module(UndoLog *log, const char *module);

/** Notes the function whose ROM is about to be read. Returns 0 or a negative errno. */
_must_check_ int undo_log_add_rom(UndoLog *log, const HomeRom *rom);

/** Appends a line about who writes (model/run-writer). Returns 0 or a negative errno. */
_must_check_ int undo_log_append(UndoLog *log, const char *line, size_t length);

/** Removes the log: the switch is done, or undone. Returns 0 or unlink(2)'s error. */
_must_check_ int undo_log_remove(UndoLog *log);

/** Closes the descriptor and leaves the file; for `_cleanup_(undo_log_close)`. */
void undo_log_close(UndoLog *log);
