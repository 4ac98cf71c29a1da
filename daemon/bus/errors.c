/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names come out of the one table of refusals, so that no error exists on one side only.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>

#include "errors.h"
#include "view/words.h"

const char *bus_error_name(RefusalKind kind, char buffer[static BUS_ERROR_NAME_SIZE]) {
        size_t n = (size_t)snprintf(buffer, BUS_ERROR_NAME_SIZE, "%s", BUS_ERROR_PREFIX);
        bool begins = true;

        for (const char *c = refusal_name(kind); *c && n < BUS_ERROR_NAME_SIZE - 1; c++) {
                if (*c == '-') {
                        begins = true;
                        continue;
                }
                buffer[n++] = (char)(begins ? toupper((unsigned char)*c) : *c);
                begins = false;
        }
        buffer[n] = '\0';
        return buffer;
}

int bus_error_set(sd_bus_error *error, RefusalKind kind, const char *text) {
        _cleanup_free_ char *clean = text_clean(text[0] != '\0' ? text : refusal_sentence(kind));
        char name[BUS_ERROR_NAME_SIZE];

        return sd_bus_error_set(error, bus_error_name(kind, name), clean);
}
