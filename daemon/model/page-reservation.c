/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "kernel-cmdline.h"
#include "page-reservation.h"

#define WORD_SIZE 256

static const char count_name[] = "hugepages=", size_name[] = "hugepagesz=",
                  default_name[] = "default_hugepagesz=";

static const char *value_of(const char *word, const char *name) {
        size_t length = strlen(name);

        return strncmp(word, name, length) == 0 ? word + length : NULL;
}

bool page_reservation_has(const char *word, size_t length) {
        static const char *const names[] = { count_name, size_name, default_name };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (length >= strlen(names[i]) && memcmp(word, names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

/* "1G", "1GB", "2M", "2048k": what the kernel's memparse() makes the same of. */
static bool parse_page_size(const char *text, HugepageSize *ret) {
        size_t n = strspn(text, "0123456789");
        char digits[8];
        uint64_t kib;

        if (n == 0 || n >= sizeof(digits))
                return false;
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)n, text);
        if (parse_decimal(digits, 1u << 21, &kib) < 0)
                return false;
        if (text[n] == 'G' || text[n] == 'g')
                kib <<= 20;
        else if (text[n] == 'M' || text[n] == 'm')
                kib <<= 10;
        else if (text[n] != 'K' && text[n] != 'k')
                return false;
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (kib == hugepage_kib(size)) {
                        *ret = size;
                        return true;
                }
        return false;
}

/* "20", or by node, "0:4,1:4": the sum. */
static bool parse_count(const char *text, HugepageSize size, PageReservation *ret) {
        char copy[WORD_SIZE], *cursor = copy, *item;
        uint64_t sum = 0, n;

        if (!strchr(text, ':')) {
                if (parse_decimal(text, hugepages_max(size), &n) < 0)
                        return false;
                ret->pages[size] = (uint32_t)n;
                return true;
        }
        (void)snprintf(copy, sizeof(copy), "%s", text);
        while ((item = strsep(&cursor, ","))) {
                char *count = strchr(item, ':');
                uint64_t node;

                if (!count)
                        return false;
                *count++ = '\0';
                if (parse_decimal(item, UINT32_MAX, &node) < 0 ||
                    parse_decimal(count, hugepages_max(size), &n) < 0)
                        return false;
                sum += n;
        }
        if (sum > hugepages_max(size))
                return false;
        ret->pages[size] = (uint32_t)sum;
        ret->is_by_node = true;
        return true;
}

/* hugepages= is about the size before it, or the default one. */
void page_reservation_read(const char *cmdline, PageReservation *ret) {
        HugepageSize size = HUGEPAGE_2M;
        const char *cursor = cmdline, *word;
        bool is_known = true;
        size_t length;

        *ret = (PageReservation){ .is_odd = false };
        while ((word = kernel_cmdline_next(&cursor, &length))) {
                const char *value;
                char text[WORD_SIZE];

                if (!page_reservation_has(word, length))
                        continue;
                if (parse_copy(text, sizeof(text), word, length) < 0) {
                        ret->is_odd = true;
                } else if ((value = value_of(text, count_name))) {
                        ret->is_odd |= !is_known || !parse_count(value, size, ret);
                } else if ((value = value_of(text, size_name))) {
                        is_known = parse_page_size(value, &size);
                        ret->is_odd |= !is_known;
                } else {
                        is_known = parse_page_size(text + strlen(default_name), &size);
                        ret->is_odd |= !is_known;
                        ret->sets_default = is_known && size == HUGEPAGE_1G;
                }
        }
}

void page_reservation_copy(const char *cmdline, HugepageSize of, char *buffer, size_t size) {
        HugepageSize now = HUGEPAGE_2M;
        const char *cursor = cmdline, *word;
        bool is_known = true;
        size_t length, n = 0;

        buffer[0] = '\0';
        while ((word = kernel_cmdline_next(&cursor, &length))) {
                const char *size_word, *default_word;
                char text[WORD_SIZE];

                if (!page_reservation_has(word, length) ||
                    parse_copy(text, sizeof(text), word, length) < 0)
                        continue;
                size_word = value_of(text, size_name);
                default_word = value_of(text, default_name);
                if (size_word || default_word)
                        is_known = parse_page_size(size_word ? size_word : default_word, &now);
                if (default_word || !is_known || now != of)
                        continue;
                if (n + 1 + length >= size)
                        return;
                n += (size_t)snprintf(buffer + n, size - n, "%s%s", n > 0 ? " " : "", text);
        }
}

bool page_reservation_is_plain(const PageReservation *reservation) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (reservation->pages[size] > 0)
                        return !reservation->is_odd;
        return false;
}
