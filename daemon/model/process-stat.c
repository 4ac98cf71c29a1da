/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second field is the program's name in parentheses, which may hold blanks and parentheses; the
 * last one that closes ends it.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "process-stat.h"

#define STATE_FIELD 3
#define START_FIELD 22

int process_stat_parse(const char *line, char *ret_state, uint64_t *ret_start) {
        const char *cursor = strrchr(line, ')');
        const char *word = NULL;
        char state = '\0', text[24];
        uint64_t start;
        size_t length;

        if (!cursor)
                return -EBADMSG;
        cursor++;
        for (unsigned field = STATE_FIELD; field <= START_FIELD; field++) {
                word = parse_word(&cursor, &length);
                if (!word)
                        return -EBADMSG;
                if (field == STATE_FIELD)
                        state = word[0];
        }
        if (parse_copy(text, sizeof(text), word, length) < 0 ||
            parse_decimal(text, UINT64_MAX, &start) < 0)
                return -EBADMSG;
        *ret_state = state;
        *ret_start = start;
        return 0;
}
