/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict parsing of numbers and words. Works on the caller's text, allocates nothing, and asks
 * neither locale nor errno.
 */
#include <errno.h>
#include <string.h>

#include "parse.h"

int parse_decimal(const char *text, uint64_t max, uint64_t *ret) {
        uint64_t value = 0;

        if (!*text || text[strspn(text, "0123456789")] != '\0')
                return -EINVAL;

        for (; *text; text++) {
                unsigned digit = (unsigned)(*text - '0');

                if (digit > max || value > (max - digit) / 10)
                        return -ERANGE;
                value = value * 10 + digit;
        }
        *ret = value;
        return 0;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

int parse_hex_digits(const char *text, size_t digits, uint32_t *ret) {
        uint32_t value = 0;

        if (digits < 1 || digits > 8)
                return -EINVAL;

        for (size_t i = 0; i < digits; i++) {
                int digit = hex_digit(text[i]);

                if (digit < 0)
                        return -EINVAL;
                value = value << 4 | (uint32_t)digit;
        }
        *ret = value;
        return 0;
}

const char *parse_word(const char **cursor, size_t *ret_length) {
        const char *word = *cursor + strspn(*cursor, " \t");
        size_t length = strcspn(word, " \t");

        *cursor = word + length;
        if (length == 0)
                return NULL;
        *ret_length = length;
        return word;
}

int parse_copy(char *buffer, size_t size, const char *text, size_t length) {
        if (length >= size)
                return -ENAMETOOLONG;

        memcpy(buffer, text, length);
        buffer[length] = '\0';
        return 0;
}
