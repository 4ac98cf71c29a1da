/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In UTC, since who reads it may be in another time zone than the machine.
 */
#include <time.h>

#include "times.h"

#define TIME_SIZE 64

void time_add(json_object *object, const char *key, uint64_t seconds) {
        char text[TIME_SIZE] = "";
        time_t time = (time_t)seconds;
        struct tm utc;

        if (seconds == 0 || !gmtime_r(&time, &utc) ||
            strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
                text[0] = '\0';
        json_add_word(object, key, text);
}
