/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/modprobe-config: every line that is taken lies in the text, in order, with a module; and
 * one that is added behind a whole text is taken last.
 */
#undef NDEBUG

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/modprobe-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const char *text, ModprobeLine *last) {
        unsigned number = 0, before = 0;
        const char *cursor = text;
        size_t n = 0;

        while (modprobe_config_next(&cursor, &number, last)) {
                char option[16];

                assert(last->line > before && last->line <= last->last_line &&
                       last->last_line == number);
                assert(last->module[0] != '\0' && !strchr(last->module, '-'));
                assert(last->command == MODPROBE_BLACKLIST || last->value[0] != '\0');
                (void)modprobe_option(last->value, "ids", option, sizeof(option));
                assert(!modprobe_install_loads(last->value) || strstr(last->value, "-i"));
                before = number;
                n++;
        }
        assert(*cursor == '\0');
        return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char added[] = "\n\nblacklist last-one\n";
        char *text = malloc(size + sizeof(added));
        ModprobeLine line;
        size_t n;

        assert(text);
        memcpy(text, data, size);
        text[size] = '\0';
        n = walk(text, &line);
        /* A line that goes on is another one then. */
        if (text[0] == '\0' || text[strlen(text) - 1] != '\\') {
                strcat(text, added);
                assert(walk(text, &line) == n + 1);
                assert(strcmp(line.module, "last_one") == 0);
        }
        free(text);
        return 0;
}
