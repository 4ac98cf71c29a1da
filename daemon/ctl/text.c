/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is cleaned here at the latest, also what was cleaned before: a second time changes
 * nothing.
 */
#include <string.h>

#include "base/log.h"
#include "text.h"

/* --- colour --- */

bool colour_wanted(FILE *file) {
        const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

        /* https://no-color.org: "when present and not an empty string" */
        if (no_colour && no_colour[0] != '\0')
                return false;
        if (!terminal || strcmp(terminal, "dumb") == 0)
                return false;
        return isatty(fileno(file));
}

const char *colour_on(Colour colour, bool wanted) {
        static const char *const codes[_COLOUR_MAX] = {
                [COLOUR_NONE] = "",          [COLOUR_BOLD] = "\033[1m",
                [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
                [COLOUR_RED] = "\033[1;31m", [COLOUR_GREY] = "\033[2m",
        };

        return wanted ? codes[colour] : "";
}

const char *colour_off(Colour colour, bool wanted) {
        return wanted && colour != COLOUR_NONE ? "\033[0m" : "";
}

size_t text_width(const char *text) {
        size_t width = 0;

        for (; *text; text++)
                width += ((unsigned char)*text & 0xc0) != 0x80;
        return width;
}

/* --- putting out --- */

_printf_(1, 0) static char *clean_list(const char *format, va_list arguments) {
        _cleanup_free_ char *text = text_format_list(format, arguments);

        return text_clean(text);
}

char *text_quote(const char *text) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "_./:@%+-";
        char *quoted = NULL;
        size_t size = 0;
        FILE *file;

        if (text[0] != '\0' && text[strspn(text, plain)] == '\0')
                return must_have(strdup(text));
        file = must_have(open_memstream(&quoted, &size));
        (void)fputs("'", file);
        for (; *text; text++)
                (void)fprintf(file, *text == '\'' ? "'\\''" : "%c", *text);
        (void)fputs("'", file);
        if (fclose(file) < 0)
                abort();
        return quoted;
}

void text_line(FILE *file, const char *format, ...) {
        _cleanup_free_ char *clean = NULL;
        va_list arguments;

        va_start(arguments, format);
        clean = clean_list(format, arguments);
        va_end(arguments);
        (void)fprintf(file, "%s\n", clean);
}

void tell(const char *format, ...) {
        _cleanup_free_ char *clean = NULL;
        va_list arguments;

        va_start(arguments, format);
        clean = clean_list(format, arguments);
        va_end(arguments);
        log_info("%s", clean);
}

void complain(const char *format, ...) {
        _cleanup_free_ char *clean = NULL;
        va_list arguments;

        va_start(arguments, format);
        clean = clean_list(format, arguments);
        va_end(arguments);
        log_error("%s", clean);
}

void warn(const char *format, ...) {
        _cleanup_free_ char *clean = NULL;
        va_list arguments;

        va_start(arguments, format);
        clean = clean_list(format, arguments);
        va_end(arguments);
        log_warning("%s", clean);
}
