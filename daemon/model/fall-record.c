/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "fall-record.h"
#include "record.h"

int fall_record_format(const FallRecord *fall, char *buffer, size_t size) {
        FILE *file = record_begin(buffer, size);

        if (!file)
                return -ENOSPC;
        (void)fprintf(file, "time=%" PRIu64 "\n", fall->time);
        record_print(file, "from", fall->from);
        record_print(file, "to", fall->to);
        record_print(file, "reason", fall->reason);
        return record_end(file, size);
}

static int parse_line(const char *key, const char *value, FallRecord *fall) {
        int r = -EBADMSG;

        if (strcmp(key, "time") == 0)
                r = parse_decimal(value, INT64_MAX, &fall->time);
        else if (strcmp(key, "from") == 0 && (value[0] == '\0' || config_name_is_valid(value)))
                r = parse_copy(fall->from, sizeof(fall->from), value, strlen(value));
        else if (strcmp(key, "to") == 0 && config_name_is_valid(value))
                r = parse_copy(fall->to, sizeof(fall->to), value, strlen(value));
        else if (strcmp(key, "reason") == 0)
                r = parse_copy(fall->reason, sizeof(fall->reason), value, strlen(value));
        return r < 0 ? -EBADMSG : 0;
}

int fall_record_parse(const char *text, FallRecord *ret) {
        char line[FALL_RECORD_SIZE_MAX];
        FallRecord fall = { 0 };
        const char *value;
        int r;

        while ((r = record_next(&text, line, sizeof(line), &value)) > 0) {
                r = parse_line(line, value, &fall);
                if (r < 0)
                        return r;
        }
        if (r < 0 || fall.time == 0 || fall.to[0] == '\0')
                return -EBADMSG;
        *ret = fall;
        return 0;
}
