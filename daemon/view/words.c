/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UTF-8 is let through because names in pci.ids have it; whatever a terminal could take for a
 * command is not: C0 and C1 control characters, and the direction marks with which one text poses
 * as another.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/refusal.h"
#include "words.h"

/* --- making --- */

void *must_have(void *pointer) {
        if (pointer)
                return pointer;
        log_error("Out of memory.");
        exit(EXIT_CODE_FAILED);
}

char *text_format_list(const char *format, va_list arguments) {
        char *text = NULL;

        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        return must_have(text);
}

char *text_format(const char *format, ...) {
        va_list arguments;
        char *text;

        va_start(arguments, format);
        text = text_format_list(format, arguments);
        va_end(arguments);
        return text;
}

/* --- cleaning --- */

/* The length of the UTF-8 sequence that a first byte announces; 0: it cannot be a first byte. */
static size_t sequence_length(unsigned char first) {
        if (first < 0x80)
                return 1;
        if (first >= 0xc2 && first <= 0xdf)
                return 2;
        if (first >= 0xe0 && first <= 0xef)
                return 3;
        return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Decodes one character. Returns its length in bytes, 0 where it is not UTF-8. */
static size_t decode(const unsigned char *text, uint32_t *ret) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t length = sequence_length(text[0]);
        uint32_t character;

        if (length <= 1) {
                *ret = text[0];
                return length;
        }
        character = text[0] & (0x7fu >> length);
        for (size_t i = 1; i < length; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                character = character << 6 | (text[i] & 0x3f);
        }
        if (character < smallest[length] || character > 0x10ffff ||
            (character >= 0xd800 && character <= 0xdfff))
                return 0;
        *ret = character;
        return length;
}

static bool is_harmless(uint32_t character) {
        if (character < 0x20 || (character >= 0x7f && character <= 0x9f))
                return false;
        if (character == 0x061c || character == 0xfeff)
                return false;
        if (character >= 0x200b && character <= 0x200f)
                return false;
        return !(character >= 0x2028 && character <= 0x202e) &&
               !(character >= 0x2066 && character <= 0x2069);
}

char *text_clean(const char *text) {
        char *clean = must_have(malloc(strlen(text) * strlen("\\xNN") + 1));
        char *to = clean;

        while (*text) {
                uint32_t character = 0;
                size_t length = decode((const unsigned char *)text, &character);

                if (length > 0 && is_harmless(character)) {
                        to = mempcpy(to, text, length);
                } else {
                        if (length == 0)
                                length = 1;
                        for (size_t i = 0; i < length; i++)
                                to += sprintf(to, "\\x%02x", (unsigned)(unsigned char)text[i]);
                }
                text += length;
        }
        *to = '\0';
        return clean;
}

/* --- lists --- */

void lines_add(Lines *lines, const char *format, ...) {
        va_list arguments;

        lines->lines =
                must_have(reallocarray(lines->lines, lines->n_lines + 1, sizeof(lines->lines[0])));
        va_start(arguments, format);
        lines->lines[lines->n_lines++] = text_format_list(format, arguments);
        va_end(arguments);
}

void lines_done(Lines *lines) {
        for (size_t i = 0; i < lines->n_lines; i++)
                free(lines->lines[i]);
        free(lines->lines);
        *lines = (Lines){ 0 };
}
