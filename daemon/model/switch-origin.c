/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few lines. What is not known is refused: rather no reason than half a one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "record.h"
#include "switch-origin.h"

int switch_origin_format(const SwitchOrigin *origin, char *buffer, size_t size) {
        FILE *file = record_begin(buffer, size);

        if (!file)
                return -ENOSPC;
        record_print(file, "mode", origin->mode);
        record_print(file, "source", origin->source);
        record_print(file, "reason", origin->reason);
        if (origin->holders[0] != '\0')
                record_print(file, "holders", origin->holders);
        (void)fprintf(file, "time=%" PRIu64 "\n", origin->time);
        return record_end(file, size);
}

static bool is_word(const char *text) {
        return text[0] != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

static int parse_line(const char *key, const char *value, SwitchOrigin *origin) {
        ConfigHolders holders;
        int r = -EBADMSG;

        if (strcmp(key, "mode") == 0 && config_name_is_valid(value))
                r = parse_copy(origin->mode, sizeof(origin->mode), value, strlen(value));
        else if (strcmp(key, "source") == 0 && is_word(value))
                r = parse_copy(origin->source, sizeof(origin->source), value, strlen(value));
        else if (strcmp(key, "reason") == 0)
                r = parse_copy(origin->reason, sizeof(origin->reason), value, strlen(value));
        else if (strcmp(key, "holders") == 0 && config_holders_parse(value, &holders) >= 0)
                r = parse_copy(origin->holders, sizeof(origin->holders), value, strlen(value));
        else if (strcmp(key, "time") == 0)
                r = parse_decimal(value, UINT64_MAX, &origin->time);
        return r < 0 ? -EBADMSG : 0;
}

int switch_origin_parse(const char *text, SwitchOrigin *ret) {
        SwitchOrigin origin = { 0 };
        char line[SWITCH_ORIGIN_SIZE_MAX];
        const char *value;
        int r;

        while ((r = record_next(&text, line, sizeof(line), &value)) > 0) {
                r = parse_line(line, value, &origin);
                if (r < 0)
                        return r;
        }
        if (r < 0 || origin.mode[0] == '\0' || origin.source[0] == '\0' || origin.time == 0)
                return -EBADMSG;
        *ret = origin;
        return 0;
}

bool switch_origin_is_of(const SwitchOrigin *origin, const char *mode, uint64_t now) {
        return strcmp(origin->mode, mode) == 0 && origin->time <= now &&
               now - origin->time <= SWITCH_ORIGIN_USEC_MAX;
}

bool switch_source_is_vm(const char *source) {
        return strcmp(source, SOURCE_VM) == 0 || strcmp(source, SOURCE_VM_UNIT) == 0;
}
