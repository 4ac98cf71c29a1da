/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what a caller sent, who may be anybody: sd-bus has checked the signature, nothing else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options.h"

static const OptionRow *find(const OptionRow *rows, const char *name) {
        for (const OptionRow *row = rows; row->name; row++)
                if (strcmp(row->name, name) == 0)
                        return row;
        return NULL;
}

static int read_word(sd_bus_message *message, void *value) {
        const char *word;
        int r;

        r = sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, (void *)&word);
        if (r < 0)
                return r;
        if (strlen(word) >= OPTION_WORD_SIZE)
                return -ENAMETOOLONG;
        (void)snprintf(value, OPTION_WORD_SIZE, "%s", word);
        return 0;
}

/* The variant, whose type must be the option's. */
static int read_value(sd_bus_message *message, const OptionRow *row, void *base) {
        const char type[] = { row->type, '\0' };
        char *value = (char *)base + row->offset;
        bool *given = (bool *)((char *)base + row->given);
        int r;

        if (*given)
                return -EEXIST;
        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, type);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        if (row->type == SD_BUS_TYPE_STRING)
                r = read_word(message, value);
        else
                r = sd_bus_message_read_basic(message, row->type, value);
        if (r < 0)
                return r;
        *given = true;
        return sd_bus_message_exit_container(message);
}

static int read_entry(sd_bus_message *message, const OptionRow *rows, void *base,
                      sd_bus_error *error) {
        const OptionRow *row;
        const char *name;
        int r;

        r = sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, (void *)&name);
        if (r < 0)
                return r;
        row = find(rows, name);
        if (!row)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "There is no such option here%s%s",
                                         strlen(name) < OPTION_WORD_SIZE ? ": " : ".",
                                         strlen(name) < OPTION_WORD_SIZE ? name : "");
        r = read_value(message, row, base);
        if (r == -EEXIST)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option '%s' is given twice.", row->name);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option '%s' must be of type %c, and not too long.",
                                         row->name, row->type);
        return sd_bus_message_exit_container(message);
}

int options_read(sd_bus_message *message, const OptionRow *rows, void *base, sd_bus_error *error) {
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        for (unsigned n = 0;; n++) {
                r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv");
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (n == OPTIONS_MAX)
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                                "These are too many options.");
                r = read_entry(message, rows, base, error);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_exit_container(message);
}
