/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The units are those of systemd.time(7) without the ones nobody confirms a switch by. As there
 * "m" is a minute.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "time-span.h"

typedef struct Unit {
        const char *names[5]; /* NULL behind the last */
        uint64_t seconds;
} Unit;

static const Unit units[] = {
        { { "s", "sec", "second", "seconds" }, 1 },
        { { "m", "min", "minute", "minutes" }, 60 },
        { { "h", "hr", "hour", "hours" }, 3600 },
        { { "d", "day", "days" }, 86400 },
};

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* Reads digits. Returns 0, -EINVAL where there are none, or -ERANGE. */
static int read_number(const char **cursor, uint64_t max, uint64_t *ret) {
        const char *text = *cursor;
        uint64_t number = 0;

        if (!is_digit(*text))
                return -EINVAL;
        for (; is_digit(*text); text++) {
                uint64_t digit = (uint64_t)(*text - '0');

                if (digit > max || number > (max - digit) / 10)
                        return -ERANGE;
                number = number * 10 + digit;
        }
        *cursor = text;
        *ret = number;
        return 0;
}

/* Reads a unit, or nothing. Returns its index, or -EINVAL. */
static int read_unit(const char **cursor) {
        size_t length = strspn(*cursor, "abcdefghijklmnopqrstuvwxyz");
        const char *word = *cursor;

        *cursor += length;
        if (length == 0)
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                for (const char *const *name = units[i].names; *name; name++)
                        if (strlen(*name) == length && strncmp(*name, word, length) == 0)
                                return (int)i;
        return -EINVAL;
}

int time_span_parse(const char *text, uint64_t max, uint64_t *ret) {
        uint64_t sum = 0, number;
        unsigned seen = 0;
        int r, unit;

        do {
                r = read_number(&text, max, &number);
                if (r < 0)
                        return r;
                text += strspn(text, " ");
                unit = read_unit(&text);
                if (unit < 0 || (seen & (1u << unit)))
                        return -EINVAL;
                seen |= 1u << unit;
                if (number > (max - sum) / units[unit].seconds)
                        return -ERANGE;
                sum += number * units[unit].seconds;
                text += strspn(text, " ");
        } while (*text);
        *ret = sum;
        return 0;
}
