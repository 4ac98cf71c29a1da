/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/grub-default: whatever the text is, it has words or a reason why not; and a file that could
 * be read can be added to by one more assignment, which then counts.
 */
#undef NDEBUG

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/grub-default.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_added(const char *text, GrubDefault *found, GrubDefaultError *error) {
        static const char added[] = "\nGRUB_CMDLINE_LINUX='added \"last\"'";
        char *longer = malloc(strlen(text) + sizeof(added));
        int r;

        assert(longer);
        strcpy(stpcpy(longer, text), added);
        r = grub_default_parse(longer, found, error);
        /* A file that ends in a backslash, or has as many variables as there may be. */
        if (r >= 0 && text[strlen(text) - 1] != '\\')
                assert(strcmp(found->linux_words, "added \"last\"") == 0 &&
                       grub_default_sets(longer));
        free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        GrubDefault *found = calloc(1, sizeof(*found));
        char *text = malloc(size + 1);
        GrubDefaultError error = { 0 };
        int r;

        assert(text && found);
        memcpy(text, data, size);
        text[size] = '\0';
        r = grub_default_parse(text, found, &error);
        assert(r == 0 || r == -EBADMSG);
        assert((r < 0) == (error.text[0] != '\0'));
        assert(strlen(found->linux_words) < sizeof(found->linux_words));
        assert(strlen(found->default_words) < sizeof(found->default_words));
        if (r >= 0)
                check_added(text, found, &error);
        free(text);
        free(found);
        return 0;
}
