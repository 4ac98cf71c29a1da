/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line at a time; what the keys mean is the caller's.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/parse.h"
#include "record.h"

int record_next(const char **cursor, char *buffer, size_t size, const char **ret_value) {
        const char *end;
        char *equals;

        if (**cursor == '\0')
                return 0;
        end = strchr(*cursor, '\n');
        if (!end || parse_copy(buffer, size, *cursor, (size_t)(end - *cursor)) < 0)
                return -EBADMSG;
        equals = strchr(buffer, '=');
        if (!equals)
                return -EBADMSG;
        *equals = '\0';
        *ret_value = equals + 1;
        *cursor = end + 1;
        return 1;
}

int record_expect(const char **cursor, const char *key, const char *version) {
        char line[64];
        const char *value;

        if (record_next(cursor, line, sizeof(line), &value) <= 0 || strcmp(line, key) != 0)
                return -EBADMSG;
        return strcmp(value, version) == 0 ? 0 : -EPROTONOSUPPORT;
}

void record_print(FILE *file, const char *key, const char *value) {
        (void)fprintf(file, "%s=", key);
        for (const char *c = value; *c; c++)
                (void)fputc(iscntrl((unsigned char)*c) ? ' ' : *c, file);
        (void)fputc('\n', file);
}

FILE *record_begin(char *buffer, size_t size) {
        return fmemopen(buffer, size, "w");
}

int record_end(FILE *file, size_t size) {
        bool is_written;
        long length;

        is_written = fflush(file) == 0;
        length = ftell(file);
        /* The NUL that it writes itself needs room, too. */
        return fclose(file) == 0 && is_written && length >= 0 && (size_t)length < size ? (int)length
                                                                                       : -ENOSPC;
}
