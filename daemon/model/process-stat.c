/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second field is the program's name in parentheses, which may hold blanks and parentheses; the
 * last one that closes ends it.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/parse.h"
#include "process-stat.h"

#define STATE_FIELD 3
#define PARENT_FIELD 4
#define START_FIELD 22

/* Finds a field behind the name, the state at first. Returns NULL where there is none. */
static const char *find_field(const char *line, unsigned wanted, size_t *ret_length) {
        const char *cursor = strrchr(line, ')');
        const char *word = NULL;

        if (!cursor)
                return NULL;
        cursor++;
        for (unsigned field = STATE_FIELD; field <= wanted; field++) {
                word = parse_word(&cursor, ret_length);
                if (!word)
                        return NULL;
        }
        return word;
}

static int find_number(const char *line, unsigned field, uint64_t max, uint64_t *ret) {
        char text[24];
        size_t length;
        const char *word = find_field(line, field, &length);

        return word && parse_copy(text, sizeof(text), word, length) >= 0 &&
                               parse_decimal(text, max, ret) >= 0
                       ? 0
                       : -EBADMSG;
}

int process_stat_parse(const char *line, char *ret_state, uint64_t *ret_start) {
        size_t length;
        const char *state = find_field(line, STATE_FIELD, &length);
        uint64_t start;

        if (!state || find_number(line, START_FIELD, UINT64_MAX, &start) < 0)
                return -EBADMSG;
        *ret_state = state[0];
        *ret_start = start;
        return 0;
}

int process_stat_parent(const char *line) {
        uint64_t parent;

        return find_number(line, PARENT_FIELD, INT_MAX, &parent) < 0 ? 0 : (int)parent;
}
