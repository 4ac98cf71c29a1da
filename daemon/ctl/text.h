/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for a person at a terminal: made, cleaned and coloured. Every string that the kernel, a file
 * or an argument brought goes through text_clean() on its way out, since a device's or process's
 * name may hold bytes that a terminal obeys.
 *
 * The tool is short-lived and owns nothing that must be undone: out of memory it ends at once, so
 * that nothing here can fail.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"

typedef enum Colour {
        COLOUR_NONE,
        COLOUR_BOLD,
        COLOUR_GREEN,
        COLOUR_YELLOW,
        COLOUR_RED,
        COLOUR_GREY,
        _COLOUR_MAX,
} Colour;

/** Whether @file should be coloured: it is a terminal that can, and NO_COLOR is not set. */
bool colour_wanted(FILE *file);

/** The bytes that switch to @colour; "" where @wanted is false. */
const char *colour_on(Colour colour, bool wanted);

/** The bytes that switch back. */
const char *colour_off(Colour colour, bool wanted);

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

/** How many characters a cleaned text has. */
size_t text_width(const char *text);

/** Prints one line, cleaned. */
void text_line(FILE *file, const char *format, ...) _printf_(2, 3);

/** Logs an error, cleaned, as one line. */
void complain(const char *format, ...) _printf_(1, 2);

/** Logs a warning, cleaned, as one line. */
void warn(const char *format, ...) _printf_(1, 2);

/** A list of lines that grows. {0} is an empty one. */
typedef struct Lines {
        char **lines;
        size_t n_lines;
} Lines;

/** Adds a line. */
void lines_add(Lines *lines, const char *format, ...) _printf_(2, 3);

/** Frees the lines; for `_cleanup_(lines_done)`. */
void lines_done(Lines *lines);
