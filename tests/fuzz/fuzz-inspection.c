/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an inspection leaves in /run/vfio-mode: whatever it is, it is refused or it is written and
 * read back to the same text.
 */
#include "model/inspection.h"
#include "round-trip.h"

ROUND_TRIP(inspection_round_trip, Inspection, inspection_parse, inspection_format)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        free(inspection_round_trip(text));
        free(text);
        return 0;
}
