/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text form of BootRecord. It outlives boots and upgrades, and counts boots that went wrong: so
 * every key must be there once, lest a text that was cut says that there were none.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "boot-record.h"
#include "record.h"

#define HEADER_KEY "vfio-mode-boot"
#define VERSION "1"

static const char *const source_names[_BOOT_SOURCE_MAX] = {
        [BOOT_SOURCE_NONE] = "none",       [BOOT_SOURCE_CMDLINE] = "command-line",
        [BOOT_SOURCE_RESCUE] = "rescue",   [BOOT_SOURCE_EFI] = "efi",
        [BOOT_SOURCE_DEFAULT] = "default",
};

const char *boot_source_name(BootSource source) {
        return source_names[source];
}

/* As boot_choose() and the switch of the boot leave it. */
bool boot_record_fell_back(const BootRecord *record) {
        BootKind kind = record->marker.kind;

        if (record->kind != REFUSAL_NONE || record->source == BOOT_SOURCE_DEFAULT)
                return strcmp(record->wanted, record->mode) != 0;
        return record->source == BOOT_SOURCE_CMDLINE &&
               (kind == BOOT_KIND_EXPIRED || kind == BOOT_KIND_UNWRITABLE ||
                kind == BOOT_KIND_DAMAGED);
}

bool boot_record_awaits_confirmation(const BootRecord *record, const char *mode,
                                     const char *fallback_mode) {
        if (record->confirmed || record->kind != REFUSAL_NONE || mode[0] == '\0' ||
            strcmp(record->wanted, mode) != 0)
                return false;
        if (record->source == BOOT_SOURCE_CMDLINE)
                return boot_kind_is_armed(record->marker.kind);
        return record->source == BOOT_SOURCE_DEFAULT && record->unconfirmed > 0 &&
               strcmp(mode, fallback_mode) != 0;
}

/* --- writing --- */

static void print_marker(FILE *file, const BootMarker *marker) {
        (void)fprintf(file, "marker=%s.%llu.%u\n", boot_kind_name(marker->kind),
                      (unsigned long long)marker->sequence, marker->left);
}

static void print_record(FILE *file, const BootRecord *record) {
        (void)fprintf(file, "%s=%s\n", HEADER_KEY, VERSION);
        record_print(file, "boot-id", record->boot_id);
        (void)fprintf(file, "time=%llu\n", (unsigned long long)record->time);
        record_print(file, "source", boot_source_name(record->source));
        print_marker(file, &record->marker);
        record_print(file, "wanted", record->wanted);
        record_print(file, "mode", record->mode);
        record_print(file, "result", refusal_name(record->kind));
        record_print(file, "reason", record->reason);
        record_print(file, "confirmed", record->confirmed ? "yes" : "no");
        record_print(file, "repeated", record->repeated ? "yes" : "no");
        (void)fprintf(file, "unconfirmed=%u\n", record->unconfirmed);
}

int boot_record_format(const BootRecord *record, char *buffer, size_t size) {
        FILE *file = record_begin(buffer, size);

        if (!file)
                return -ENOSPC;
        print_record(file, record);
        return record_end(file, size);
}

/* --- reading --- */

static int parse_text(char *ret, size_t size, const char *value) {
        return parse_copy(ret, size, value, strlen(value));
}

static int parse_name(char ret[static CONFIG_NAME_SIZE], const char *value) {
        if (value[0] != '\0' && !config_name_is_valid(value))
                return -EBADMSG;
        return parse_text(ret, CONFIG_NAME_SIZE, value);
}

static int parse_source(const char *value, BootSource *ret) {
        for (unsigned source = 0; source < _BOOT_SOURCE_MAX; source++) {
                if (strcmp(source_names[source], value) == 0) {
                        *ret = (BootSource)source;
                        return 0;
                }
        }
        return -EBADMSG;
}

/* No marker is written as one of kind "none". */
static int parse_marker(const char *value, BootMarker *ret) {
        if (strcmp(value, "none.0.0") == 0) {
                *ret = (BootMarker){ 0 };
                return 0;
        }
        return boot_marker_parse(value, ret);
}

static int parse_kind(const char *value, RefusalKind *ret) {
        *ret = refusal_by_name(value);
        return *ret == REFUSAL_NONE && strcmp(value, refusal_name(REFUSAL_NONE)) != 0 ? -EBADMSG
                                                                                      : 0;
}

static int parse_boolean(const char *value, bool *ret) {
        *ret = strcmp(value, "yes") == 0;
        return *ret || strcmp(value, "no") == 0 ? 0 : -EBADMSG;
}

static int parse_count(const char *value, unsigned *ret) {
        uint64_t number;

        if (parse_decimal(value, UINT16_MAX, &number) < 0)
                return -EBADMSG;
        *ret = (unsigned)number;
        return 0;
}

/* In the order in which they are written. */
typedef enum Key {
        KEY_BOOT_ID,
        KEY_TIME,
        KEY_SOURCE,
        KEY_MARKER,
        KEY_WANTED,
        KEY_MODE,
        KEY_RESULT,
        KEY_REASON,
        KEY_CONFIRMED,
        KEY_REPEATED,
        KEY_UNCONFIRMED,
        _KEY_MAX,
} Key;

static const char *const keys[_KEY_MAX] = {
        [KEY_BOOT_ID] = "boot-id",         [KEY_TIME] = "time",
        [KEY_SOURCE] = "source",           [KEY_MARKER] = "marker",
        [KEY_WANTED] = "wanted",           [KEY_MODE] = "mode",
        [KEY_RESULT] = "result",           [KEY_REASON] = "reason",
        [KEY_CONFIRMED] = "confirmed",     [KEY_REPEATED] = "repeated",
        [KEY_UNCONFIRMED] = "unconfirmed",
};

static int parse_value(Key key, const char *value, BootRecord *record) {
        switch (key) {
        case KEY_BOOT_ID:
                return parse_text(record->boot_id, sizeof(record->boot_id), value);
        case KEY_TIME:
                return parse_decimal(value, UINT64_MAX, &record->time);
        case KEY_SOURCE:
                return parse_source(value, &record->source);
        case KEY_MARKER:
                return parse_marker(value, &record->marker);
        case KEY_WANTED:
                return parse_name(record->wanted, value);
        case KEY_MODE:
                return parse_name(record->mode, value);
        case KEY_RESULT:
                return parse_kind(value, &record->kind);
        case KEY_REASON:
                return parse_text(record->reason, sizeof(record->reason), value);
        case KEY_CONFIRMED:
                return parse_boolean(value, &record->confirmed);
        case KEY_REPEATED:
                return parse_boolean(value, &record->repeated);
        case KEY_UNCONFIRMED:
                return parse_count(value, &record->unconfirmed);
        default:
                return -EBADMSG;
        }
}

int boot_record_parse(const char *text, BootRecord *ret) {
        char line[RUN_STATE_TEXT_SIZE + 64];
        BootRecord record = { 0 };
        const char *value;
        int r;

        r = record_expect(&text, HEADER_KEY, VERSION);
        if (r < 0)
                return r;
        for (Key key = 0; key < _KEY_MAX; key++)
                if (record_next(&text, line, sizeof(line), &value) <= 0 ||
                    strcmp(line, keys[key]) != 0 || parse_value(key, value, &record) < 0)
                        return -EBADMSG;
        if (*text != '\0')
                return -EBADMSG;
        *ret = record;
        return 0;
}
