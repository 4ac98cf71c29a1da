/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/stat: any text is refused, with the results untouched, or it has a state and a start;
 * and a parent, or none.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/process-stat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t start = 1;
        char state = '\0';
        char *text;

        text = malloc(size + 1);
        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        if (process_stat_parse(text, &state, &start) >= 0)
                assert(state != '\0' && state != ' ');
        else
                assert(state == '\0' && start == 1);
        assert(process_stat_parent(text) >= 0);
        free(text);
        return 0;
}
