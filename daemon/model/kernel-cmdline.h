/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's command line (/proc/cmdline), split as the kernel splits it. Pure.
 * Source: the kernel's lib/cmdline.c, next_arg(): blanks part arguments, double quotes keep them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "config.h"

#define KERNEL_CMDLINE_SIZE \
        2048 /* x86's COMMAND_LINE_SIZE, NUL included: GRUB drops what is more */
#define KERNEL_CMDLINE_WORDS_MAX \
        96 /* of vfio_mode= and vfio_mode.boot= with the longest values, and blanks */
#define KERNEL_CMDLINE_MAX 4096 /* COMMAND_LINE_SIZE of x86 is 2048, of others up to 4096 */

/** What the command line asks of a boot (DESIGN §8, sources 1 and 2). */
typedef struct KernelCmdlineRequest {
        char mode[64];         /**< the last vfio_mode=; "" where there is none */
        bool mode_is_too_long; /**< the last vfio_mode= does not fit: no such mode can exist */
        char rescue[32];       /**< what asks for a rescue system, cut to fit; "" for none */
} KernelCmdlineRequest;

/**
 * Takes the next argument.
 *
 * @cursor: where to look; moved behind the argument. The text is not changed.
 * @ret_length: the argument's length, quotes included
 *
 * Returns the argument, not terminated, or NULL at the end.
 */
const char *kernel_cmdline_next(const char **cursor, size_t *ret_length);

/**
 * Finds what the command line says about the mode: the last `vfio_mode=NAME` wins, and an empty
 * name takes back what stood before. As the kernel does for its own names, `vfio-mode=` is taken
 * for the same.
 *
 * And what asks for a rescue system, the first of: `single`, `s`, `S`, `1`, `rescue`, `emergency`,
 * `recovery`, `-b`, `init=`, `rd.break`, and `systemd.unit=` with a rescue or emergency unit.
 * Arguments behind ` -- ` belong to init and count too.
 */
void kernel_cmdline_request(const char *cmdline, KernelCmdlineRequest *ret);

/**
 * Finds the value of the last NAME=VALUE; @name is written with underscores.
 *
 * Returns 0; -ENOENT where there is none; -ENAMETOOLONG where the last one does not fit.
 */
_must_check_ int kernel_cmdline_value(const char *cmdline, const char *name, char *buffer,
                                      size_t size);

/** Whether any NAME=VALUE has @item among the words of its value, which commas are between; @name
 * is written with underscores. */
bool kernel_cmdline_has_item(const char *cmdline, const char *name, const char *item);

/**
 * The length of a command line without what is ours: vfio_mode=, vfio_mode.boot= and, where they
 * stand on it in one piece, @arguments.
 *
 * @arguments: of the mode that was booted to, as the boot environment holds them; "" for none
 */
size_t kernel_cmdline_foreign_length(const char *cmdline, const char *arguments);

/**
 * Writes the kernel arguments of a mode: its `cmdline`, then its hugepages, which the kernel surely
 * has while all memory is free, then panic=10, since a kernel that panics has to reboot by itself
 * to come back. What the `cmdline` itself says of hugepages or panic= stands as it is.
 *
 * Returns the length, or -ENOSPC.
 */
_must_check_ int kernel_cmdline_arguments(const ConfigMode *mode, char *buffer, size_t size);

/**
 * Whether the running kernel was told by our arguments for this mode, and by nothing else, how many
 * pages of this size to reserve: then they are the mode's, to be given back when it is left.
 */
bool kernel_cmdline_reserves(const char *cmdline, const ConfigMode *mode, HugepageSize size);
