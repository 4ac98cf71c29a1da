/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/sessions, what busctl prints of logind's locks: any text is refused, or gives a lock in
 * printable ASCII, or none.
 */
#undef NDEBUG

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/sessions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        assert(length < size);
        for (size_t i = 0; i < length; i++)
                assert(text[i] >= ' ' && text[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        Inhibitor found;

        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        (void)memset(&found, 0x5a, sizeof(found));
        if (inhibitors_parse(text, &found) < 0 || found.who[0] == '\0') {
                assert(found.who[0] == '\0');
        } else {
                check_text(found.who, sizeof(found.who));
                check_text(found.why, sizeof(found.why));
                check_text(found.what, sizeof(found.what));
        }
        free(text);
        return 0;
}
