/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies in /var/lib/vfio-mode: whatever it is, it is refused or it is a record that is written
 * and read back to the same text.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/boot-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char first[BOOT_RECORD_SIZE_MAX], second[BOOT_RECORD_SIZE_MAX];
        BootRecord record;
        char *text;

        if (size >= BOOT_RECORD_SIZE_MAX)
                return 0;
        text = malloc(size + 1);
        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        if (boot_record_parse(text, &record) >= 0) {
                assert(boot_record_format(&record, first, sizeof(first)) > 0);
                assert(boot_record_parse(first, &record) == 0);
                assert(boot_record_format(&record, second, sizeof(second)) > 0);
                assert(strcmp(first, second) == 0);
        }
        free(text);
        return 0;
}
