/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a service says of its machine, which may be another one (-H): whatever JSON it is, it is
 * refused, or shown in words that command no terminal; and as JSON it is read back to the same.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/status.h"
#include "view/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(const json_object *description) {
        const Arguments arguments = { .json = JSON_OFF };
        FILE *before = stdout;
        char *text = NULL;
        size_t length = 0;

        stdout = open_memstream(&text, &length);
        assert(stdout);
        status_print(&arguments, NULL, description);
        assert(fclose(stdout) == 0);
        stdout = before;
        for (size_t i = 0; i < length; i++)
                assert(text[i] == '\n' || ((unsigned char)text[i] >= ' ' && text[i] != 0x7f));
        free(text);
}

static void check_json(json_object *description) {
        char *first = json_text(description), *second;
        json_object *again = json_parse(first);

        assert(again);
        second = json_text(again);
        assert(strcmp(first, second) == 0);
        free(first);
        free(second);
        (void)json_object_put(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        json_object *description;

        assert(text);
        if (size > 0)
                (void)memcpy(text, data, size);
        text[size] = '\0';
        description = json_parse(text);
        if (description) {
                check_words(description);
                check_json(description);
        }
        (void)json_object_put(description);
        free(text);
        return 0;
}
