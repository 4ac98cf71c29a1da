/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a file is taken into a report: all of it, or the lines that say nothing of who owns the
 * machine, with values of them blanked. Before redact(), which knows no file's format. Pure.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

typedef enum RedactFile {
        REDACT_FILE_TEXT,       /**< all of it */
        REDACT_FILE_RAW,        /**< all of it, and redact() is not to see it */
        REDACT_FILE_BLOCK,      /**< an environment block of GRUB's, whose size has to stay */
        REDACT_FILE_NAME,       /**< none: that it is there is enough */
        REDACT_FILE_CPUINFO,    /**< kind and flags of the first processor */
        REDACT_FILE_IOMEM,      /**< without the addresses of the kernel */
        REDACT_FILE_ROUTE,      /**< default routes, without addresses (/proc/net/route) */
        REDACT_FILE_IPV6_ROUTE, /**< the same (/proc/net/ipv6_route) */
        REDACT_FILE_MOUNTS,     /**< local file systems, and the system's own (mountinfo) */
        REDACT_FILE_UDEV,       /**< seat, kind and UUID of a device (/run/udev/data) */
        REDACT_FILE_GRUB,       /**< without passwords (grub.cfg) */
        REDACT_FILE_SCRIPT,     /**< lines about drivers and PCI functions */
        REDACT_FILE_FIRST_WORD, /**< up to the first dash: LVM or CRYPT (dm/uuid) */
        REDACT_FILE_NVIDIA,     /**< kind and minor number of a card */
        REDACT_FILE_SETTINGS,   /**< comments are emptied, so that lines keep their numbers */
        REDACT_FILE_DIRECTORY,  /**< a path, of which the last component is blanked */
} RedactFile;

/**
 * Leaves out what is not taken. Where it is taken line by line, a line that is left out is so
 * whole.
 *
 * @text: terminated by a NUL behind @length; changed in place, and never longer afterwards
 *
 * Returns the new length.
 */
size_t redact_file(RedactFile what, char *text, size_t length);

/** Brings a redacted block back to its size, by the `#` that fill it; where it has not enough of
 * them it stays too long. @text: has room for @size. Returns its length. */
size_t redact_file_fit_block(char *text, size_t length, size_t size);
