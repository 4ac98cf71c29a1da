/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel: mm/swapfile.c (swap_show), kernel/resource.c (r_show), net/ipv4/fib_trie.c
 * (fib_route_seq_show), net/ipv6/route.c (rt6_info_route), drivers/input/input.c
 * (input_print_bitmap).
 */
#include <errno.h>
#include <limits.h>
#include <net/route.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "proc-tables.h"

#define KEYBOARD_KEYS UINT64_C(0xfffffffe)

bool proc_field(const char **cursor, char *buffer, size_t size) {
        size_t length = strcspn(*cursor, " \t\n");
        size_t n = 0;

        if (length == 0)
                return false;
        for (size_t i = 0; i < length && n + 1 < size; i++) {
                const char *c = &(*cursor)[i];

                if (c[0] == '\\' && length - i >= 4) {
                        buffer[n] = (char)((c[1] & 7) << 6 | (c[2] & 7) << 3 | (c[3] & 7));
                        if (buffer[n++] == '\0')
                                return false; /* no name has that */
                        i += 3;
                } else {
                        buffer[n++] = c[0];
                }
        }
        buffer[n] = '\0';
        *cursor += length;
        if (**cursor == ' ' || **cursor == '\t')
                (*cursor)++;
        return true;
}

void proc_next_line(const char **cursor) {
        *cursor += strcspn(*cursor, "\n");
        *cursor += **cursor == '\n';
}

/* Of a table with columns: any number of blanks before a field. */
static bool next_column(const char **cursor, char *buffer, size_t size) {
        *cursor += strspn(*cursor, " \t");
        return proc_field(cursor, buffer, size);
}

bool proc_swaps_next(const char **cursor, char *path, size_t size) {
        while (**cursor) {
                const char *line = *cursor;

                proc_next_line(cursor);
                /* The first line has titles; a file that was deleted has something behind its name.
                 */
                if (line[0] == '/' && proc_field(&line, path, size))
                        return true;
        }
        return false;
}

/* "    c0000000-c03e7fff : BOOTFB", with two blanks for each resource that it lies in. */
bool proc_iomem_next(const char **cursor, unsigned *depth, char *name, size_t size) {
        while (**cursor) {
                const char *line = *cursor, *colon;
                size_t length = strcspn(line, "\n");

                proc_next_line(cursor);
                colon = memmem(line, length, " : ", 3);
                if (!colon)
                        continue;
                *depth = (unsigned)strspn(line, " ") / 2;
                (void)snprintf(name, size, "%.*s", (int)(line + length - colon - 3), colon + 3);
                return true;
        }
        return false;
}

/* "mnt_id:\t29\n", among other lines. */
int proc_fdinfo_mount(const char *text) {
        static const char name[] = "mnt_id:";
        char number[16];
        uint64_t id;

        for (; *text; proc_next_line(&text)) {
                const char *cursor = text + sizeof(name) - 1;

                if (strncmp(text, name, sizeof(name) - 1) != 0)
                        continue;
                return next_column(&cursor, number, sizeof(number)) &&
                                       parse_decimal(number, INT_MAX, &id) >= 0
                               ? (int)id
                               : -EBADMSG;
        }
        return -ENOENT;
}

/* --- routes --- */

#define ROUTE_COLUMNS 8 /* Iface Destination Gateway Flags RefCnt Use Metric Mask */
#define IPV6_ROUTE_COLUMNS \
        10 /* destination/length source/length gateway metric refs use flags IF */

typedef char Column[33]; /* an IPv6 address in hex digits */

/* A line whose fields are too long for a column is none of ours. */
static bool read_columns(const char *line, Column *columns, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!next_column(&line, columns[i], sizeof(columns[i])))
                        return false;
        return true;
}

static bool is_zero(const char *text) {
        return text[0] != '\0' && text[strspn(text, "0")] == '\0';
}

static bool is_usable(const char *flags) {
        uint32_t value;

        return strlen(flags) <= 8 && parse_hex_digits(flags, strlen(flags), &value) >= 0 &&
               (value & RTF_UP) && !(value & RTF_REJECT);
}

static bool take_interface(const char *name, char interface[static PROC_INTERFACE_SIZE]) {
        return parse_copy(interface, PROC_INTERFACE_SIZE, name, strlen(name)) >= 0;
}

bool proc_route_next(const char **cursor, char interface[static PROC_INTERFACE_SIZE]) {
        while (**cursor) {
                Column columns[ROUTE_COLUMNS];
                bool whole = read_columns(*cursor, columns, ROUTE_COLUMNS);

                proc_next_line(cursor);
                if (whole && is_zero(columns[1]) && is_zero(columns[7]) && is_usable(columns[3]) &&
                    take_interface(columns[0], interface))
                        return true;
        }
        return false;
}

bool proc_ipv6_route_next(const char **cursor, char interface[static PROC_INTERFACE_SIZE]) {
        while (**cursor) {
                Column columns[IPV6_ROUTE_COLUMNS];
                bool whole = read_columns(*cursor, columns, IPV6_ROUTE_COLUMNS);

                proc_next_line(cursor);
                if (whole && is_zero(columns[0]) && is_zero(columns[1]) && is_usable(columns[8]) &&
                    take_interface(columns[9], interface))
                        return true;
        }
        return false;
}

/* --- input devices --- */

/* Words of a long each, the lowest keys in the last one. */
bool input_keys_are_keyboard(const char *keys) {
        size_t end = strlen(keys);
        size_t begin, digits;
        uint32_t low;

        while (end > 0 && (keys[end - 1] == '\n' || keys[end - 1] == ' '))
                end--;
        begin = end;
        while (begin > 0 && keys[begin - 1] != ' ')
                begin--;
        digits = end - begin > 8 ? 8 : end - begin;
        return digits > 0 && parse_hex_digits(keys + end - digits, digits, &low) >= 0 &&
               (low & KEYBOARD_KEYS) == KEYBOARD_KEYS;
}
