/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text that is shown, by whatever way: made, cleaned, listed. Every string that the kernel, a file
 * or an argument brought goes through text_clean() on its way out, since a device's or process's
 * name may hold bytes that a terminal obeys.
 *
 * Who describes owns nothing that must be undone: out of memory it ends at once, so that nothing
 * here can fail. The service is started again by the next call.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/cleanup.h"

/** Returns @pointer, or ends the program where it is NULL: what an allocation gave. */
void *must_have(void *pointer);

/** printf(3) into new memory; never NULL. The caller frees it. */
char *text_format(const char *format, ...) _printf_(1, 2);

/** The same with a list of arguments. */
char *text_format_list(const char *format, va_list arguments) _printf_(1, 0);

/**
 * Copies @text with all that is not printable UTF-8 as \xNN: control bytes (newlines, too), bytes
 * that are no UTF-8, and the characters that turn the direction of writing. Never NULL; the caller
 * frees it.
 */
char *text_clean(const char *text);

/** A list of lines that grows. {0} is an empty one. */
typedef struct Lines {
        char **lines;
        size_t n_lines;
} Lines;

/** Adds a line. */
void lines_add(Lines *lines, const char *format, ...) _printf_(2, 3);

/** Frees the lines; for `_cleanup_(lines_done)`. */
void lines_done(Lines *lines);
