/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that makes a switch's writes to sysfs and loads its modules. A driver's remove() or
 * probe() may never return, and then nothing can end who called it; so that is a child of ours,
 * which is told one write after the other and given up where it does not answer in time.
 *
 * One child for a whole switch: it costs one fork(2) where one for each write costs a dozen, and
 * the parent waits no differently.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/root.h"
#include "model/run-writer.h"
#include "module.h"
#include "undo-log.h"

/** A time span for every write, in the place of those below. */
#define WRITER_DEADLINE_VARIABLE "VFIO_MODE_WRITE_DEADLINE"

/* A graphics driver's probe() loads firmware and may reset the card, which takes a good driver up
 * to ten seconds on real cards; giving it up on the way back would cost the screen. */
#define WRITER_PROBE_USEC (30 * UINT64_C(1000000)) /* bind, drivers_probe, modules, waking up */
#define WRITER_UNBIND_USEC (10 * UINT64_C(1000000))
#define WRITER_OTHER_USEC (5 * UINT64_C(1000000))
#define WRITER_EARLY_USEC (2 * UINT64_C(1000000)) /* at boot, whatever it is */

/* The boot is not held up for longer by all of them, and the boot unit's TimeoutStartSec is not
 * reached: steps that are not done by then are undone, and so may the fallback mode, each for a
 * moment more. */
#define WRITER_EARLY_ALL_USEC UINT64_C(2000000)
#define WRITER_EARLY_UNDO_USEC UINT64_C(900000)

typedef struct Writer {
        const Root *root;       /**< borrowed */
        UndoLog *log;           /**< borrowed: told what is written before it is; NULL: nobody */
        uint64_t deadline_usec; /**< of every write; 0: by its kind */
        uint64_t early_end;     /**< CLOCK_MONOTONIC: of all of them; 0: none */
        uint64_t waited_usec;   /**< how long it was given for the last write */
        RunWriter record;       /**< the child, and the write that it was given last */
        int fd;                 /**< to the child; -1: there is none yet */
        bool is_stuck;          /**< it was given up; nothing more is written */
        bool is_awaited; /**< who is given up is not stuck by any account yet: the log stays for
                            the next switch, which waits as long as any does */
} Writer;

/**
 * Makes one without a child, which the first write makes; ends with writer_close().
 *
 * @early_since: CLOCK_MONOTONIC, in microseconds: when the boot's first switch began; 0: not early
 */
Writer writer_new(const Root *root, uint64_t early_since);

/**
 * Writes @text to a sysfs attribute at @path.
 *
 * @what: the same in words that others read
 *
 * Returns 0 or what file_write_at() says; -EIO where the child was killed; -ETIMEDOUT with
 * `is_stuck` where it did not come back; -ETIME where a boot has no time left, and it was not made.
 */
_must_check_ int writer_write(Writer *writer, const RunWrite *what, const char *path,
                              const char *text);

#define WRITER_READ_MAX 4096 /* at once */

/**
 * Reads from an attribute at @path, which may take as long as a write.
 *
 * @buffer: gets @size bytes at most, and no more than WRITER_READ_MAX
 *
 * Returns how many, 0 at the end; else pread(2)'s error, or as writer_write().
 */
_must_check_ ssize_t writer_read(Writer *writer, const RunWrite *what, const char *path,
                                 void *buffer, size_t size, size_t offset);

#define WRITER_END_MAX 4

/**
 * Has the child write @text to a sysfs attribute at @path when it is left alone: who it works for
 * was killed, or has given it up and it has come back. In the order in which that was asked for;
 * what fails then is said by nobody, and is what the log is for.
 *
 * Returns 0; -ENOSPC where there are WRITER_END_MAX of them; else as writer_write().
 */
_must_check_ int writer_write_at_end(Writer *writer, const char *path, const char *text);

/** Takes that back, all of it. */
void writer_forget_end(Writer *writer);

/**
 * Writes to a pool of hugepages. The kernel may look for pages for minutes, and stops at a signal
 * (6.1, 6.12): what takes longer than @usec, or than VFIO_MODE_WRITE_DEADLINE, is ended by one. It
 * is stuck where that does not end it either, as while somebody else changes the same pool.
 *
 * Returns as writer_write(); -ECANCELED where it was ended: the pool has what was found by then.
 */
_must_check_ int writer_write_pool(Writer *writer, const RunWrite *what, const char *path,
                                   const char *text, uint64_t usec);

/**
 * Leaves a child that is stuck to itself, so that the next write has another one: for a write that
 * is wanted whenever it is done, and that no device waits for.
 */
void writer_leave(Writer *writer);

/** Loads the module @what.driver; returns as module_load() and writer_write(). */
_must_check_ int writer_load(Writer *writer, const RunWrite *what);

/** Unloads the module @what.driver; returns as module_unload() and writer_write(). */
_must_check_ int writer_unload(Writer *writer, const RunWrite *what);

/** Loads the modules that are for a modalias; returns as module_load_for() and writer_write(). */
_must_check_ int writer_load_for(Writer *writer, const RunWrite *what, const char *modalias,
                                 ModuleChoice choice);

/** What is written from now on brings the host's drivers back: at boot it has some time of its own.
 */
void writer_begin_return(Writer *writer);

/** How long a write of this kind is waited for; one to a pool, when it was told to end. */
uint64_t writer_deadline(const Writer *writer, RunWriteKind kind);

/** Lets the child go, and waits for its end unless it is stuck. For `_cleanup_(writer_close)`. */
void writer_close(Writer *writer);
