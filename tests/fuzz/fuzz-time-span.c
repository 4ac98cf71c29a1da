/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * base/time-span: any text is refused, with the result untouched, or it is a span within the limit
 * that is the sum of its parts.
 */
#undef NDEBUG

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time-span.h"

#define UNTOUCHED UINT64_C(4711)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, uint64_t max) {
        uint64_t seconds = UNTOUCHED, again = UNTOUCHED;
        char formatted[32];

        if (time_span_parse(text, max, &seconds) < 0) {
                assert(seconds == UNTOUCHED);
                return;
        }
        assert(seconds <= max);
        assert(text[0] >= '0' && text[0] <= '9');
        (void)snprintf(formatted, sizeof(formatted), "%llus", (unsigned long long)seconds);
        assert(time_span_parse(formatted, max, &again) == 0 && again == seconds);
        /* One less is too little for it. */
        if (seconds > 0) {
                again = UNTOUCHED;
                assert(time_span_parse(text, seconds - 1, &again) < 0 && again == UNTOUCHED);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        assert(text);
        memcpy(text, data, size);
        text[size] = '\0';
        check(text, 86400);
        check(text, UINT64_MAX);
        free(text);
        return 0;
}
