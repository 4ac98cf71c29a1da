/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an inspection leaves in /run/vfio-mode: whatever it is, it is refused or it is written and
 * read back to the same text.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/inspection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Inspection *inspection = malloc(sizeof(*inspection));
        char *text = malloc(size + 1), *first = NULL, *second = NULL;

        assert(inspection && text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        if (inspection_parse(text, inspection) >= 0) {
                assert(inspection_format(inspection, &first) > 0);
                assert(inspection_parse(first, inspection) == 0);
                assert(inspection_format(inspection, &second) > 0);
                assert(strcmp(first, second) == 0);
        }
        free(first);
        free(second);
        free(text);
        free(inspection);
        return 0;
}
