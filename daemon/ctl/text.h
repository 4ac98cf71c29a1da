/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text on a terminal: coloured, measured, put out. Whatever goes out is cleaned first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "view/words.h"

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

/** How many characters a cleaned text has. */
size_t text_width(const char *text);

/** Writes it as one word of a command for sh(1), quoted where that is needed. Never NULL; the
 * caller frees it. */
char *text_quote(const char *text);

/** Prints one line, cleaned. */
void text_line(FILE *file, const char *format, ...) _printf_(2, 3);

/** Logs what went well, cleaned, as one line: where stdout is not this program's. */
void tell(const char *format, ...) _printf_(1, 2);

/** Logs an error, cleaned, as one line. */
void complain(const char *format, ...) _printf_(1, 2);

/** Logs a warning, cleaned, as one line. */
void warn(const char *format, ...) _printf_(1, 2);
