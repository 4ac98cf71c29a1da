/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that makes a switch's writes, and the one it is at: what the undo log says of it, so
 * that others know which device not to touch while it is in the kernel. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config.h"
#include "pci-address.h"

#define RUN_WRITE_TEXT_SIZE 192
#define RUN_WRITER_LINE_SIZE 128

typedef enum RunWriteKind {
        RUN_WRITE_NONE,
        RUN_WRITE_OVERRIDE,  /**< driver_override becomes `driver` */
        RUN_WRITE_UNBIND,    /**< from `driver` */
        RUN_WRITE_BIND,      /**< to `driver` */
        RUN_WRITE_PROBE,     /**< by whatever driver the kernel picks */
        RUN_WRITE_LOAD,      /**< the module `driver`; "": what the modalias names */
        RUN_WRITE_POWER,     /**< power/control becomes `driver`: on, auto */
        RUN_WRITE_D3COLD,    /**< d3cold_allowed becomes `driver`: 0, 1 */
        RUN_WRITE_ENABLE,    /**< `enable` of a function without driver becomes `driver`: 0, 1 */
        RUN_WRITE_UNLOAD,    /**< the module `driver` */
        RUN_WRITE_REMOVE_ID, /**< `driver` forgets the function's id */
        RUN_WRITE_RELEASE,   /**< the firmware's framebuffer, the platform device `driver` */
        RUN_WRITE_RETURN,    /**< the same, given back */
        RUN_WRITE_ROM,       /**< `rom` becomes `driver`: 0, 1; "": it is read */
        RUN_WRITE_HUGEPAGES, /**< the pool of the size `driver`: 1G, 2M; no device waits for it */
        _RUN_WRITE_MAX,
} RunWriteKind;

typedef struct RunWrite {
        RunWriteKind kind;
        PciAddress address;              /**< 0000:00:00.0: of none, a module's or a pool's */
        char driver[CONFIG_DRIVER_SIZE]; /**< "": none */
} RunWrite;

typedef struct RunWriter {
        int pid;         /**< 0: none */
        uint64_t start;  /**< clock ticks after the boot: with its pid, no other process's */
        RunWrite write;  /**< the last that it was given */
        uint64_t wedged; /**< CLOCK_REALTIME, seconds: it was given up then; 0: it was not */
} RunWriter;

/** Describes a write. @driver: what RunWrite has there; what does not fit is cut. */
RunWrite run_write(RunWriteKind kind, PciAddress address, const char *driver);

/**
 * Takes a line of the log, where it is one about the writer.
 *
 * Returns 1; 0 where it is about something else; -EBADMSG where it is damaged.
 */
_must_check_ int run_writer_parse(const char *key, const char *value, RunWriter *writer);

/** Writes the line about who writes. Returns its length, or -ENAMETOOLONG. */
_must_check_ int run_writer_format(const RunWriter *writer, char *buffer, size_t size);

/** Writes the line about what is written. Returns as run_writer_format(). */
_must_check_ int run_writer_format_write(const RunWrite *write, char *buffer, size_t size);

/** Writes the line that says that it was given up. Returns as run_writer_format(). */
_must_check_ int run_writer_format_wedged(const RunWriter *writer, char *buffer, size_t size);

/** A write's name in JSON and in the log: override, unbind, bind, probe, load, unload, power,
 * d3cold, enable, remove-id, release, return, rom, hugepages; "none". */
const char *run_write_name(RunWriteKind kind);

/** Whether the write is to one function, and not a module's that may serve many, or a pool's. */
bool run_write_has_address(const RunWrite *write);

/** Whether both are described by the same line. */
bool run_write_equal(const RunWrite *a, const RunWrite *b);

/** Says in words what is being done, such as "unbinding 0000:01:00.0 from nvidia". Returns
 * @buffer. */
const char *run_write_say(const RunWrite *write, char buffer[static RUN_WRITE_TEXT_SIZE]);
