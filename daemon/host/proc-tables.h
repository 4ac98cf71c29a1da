/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's tables in /proc: taken apart line by line, without knowing what for. A line that is
 * not as it should be is left out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PROC_INTERFACE_SIZE 16 /* IFNAMSIZ */

/**
 * Takes the next field of a line, undoing the octal escapes that the kernel writes for blanks.
 *
 * @cursor: where to look; moved behind the field and the one blank that follows it
 * @buffer: as much of it as fits
 *
 * Returns false at the end of the line, and for a field that is empty or has a NUL.
 */
bool proc_field(const char **cursor, char *buffer, size_t size);

/** Moves @cursor behind the end of the line. */
void proc_next_line(const char **cursor);

/**
 * Takes the next line of /proc/swaps.
 *
 * @cursor: the table at first
 * @path: of the device or file, cut where it does not fit
 *
 * Returns false at the table's end.
 */
bool proc_swaps_next(const char **cursor, char *path, size_t size);

/**
 * Takes the next resource of /proc/iomem.
 *
 * @cursor: the table at first
 * @depth: how many others it lies in
 * @name: what it is, cut where it does not fit
 *
 * Returns false at the table's end.
 */
bool proc_iomem_next(const char **cursor, unsigned *depth, char *name, size_t size);

/**
 * Takes the next usable default route of /proc/net/route.
 *
 * @cursor: the table at first
 * @interface: its name
 *
 * Returns false when there is none any more.
 */
bool proc_route_next(const char **cursor, char interface[static PROC_INTERFACE_SIZE]);

/** The same of /proc/net/ipv6_route. */
bool proc_ipv6_route_next(const char **cursor, char interface[static PROC_INTERFACE_SIZE]);

/** The id of the mount that a file was opened through, by /proc/PID/fdinfo/FD; negative where that
 * is not told (kernel: Documentation/filesystems/proc.rst, 3.8). */
int proc_fdinfo_mount(const char *text);

/**
 * Whether an input device with these `capabilities/key` is a keyboard: it has ESC, the digits and
 * the first two rows of letters as far as S, which is also what udev goes by (ID_INPUT_KEYBOARD).
 */
bool input_keys_are_keyboard(const char *keys);
