/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file's label under SELinux: any text is refused, with the result untouched, or it has a type.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/selinux-label.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char type[SELINUX_TYPE_SIZE] = "untouched";
        char *text, *found;

        text = malloc(size + 1);
        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        if (selinux_label_type(text, type) >= 0) {
                found = strstr(text, type);
                assert(type[0] != '\0' && found && !strpbrk(type, ":/ \n"));
        } else {
                assert(strcmp(type, "untouched") == 0);
        }
        free(text);
        return 0;
}
