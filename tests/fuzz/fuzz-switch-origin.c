/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asked for a switch: whatever lies there, it is refused or it is written and read back to the
 * same text.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/switch-origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char first[SWITCH_ORIGIN_SIZE_MAX], second[SWITCH_ORIGIN_SIZE_MAX];
        SwitchOrigin origin;
        char *text;

        if (size >= SWITCH_ORIGIN_SIZE_MAX)
                return 0;
        text = malloc(size + 1);
        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        if (switch_origin_parse(text, &origin) >= 0) {
                assert(switch_origin_format(&origin, first, sizeof(first)) > 0);
                assert(switch_origin_parse(first, &origin) == 0);
                assert(switch_origin_format(&origin, second, sizeof(second)) > 0);
                assert(strcmp(first, second) == 0);
        }
        free(text);
        return 0;
}
