/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of modules.alias: what is taken of them is read back as it was. */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/modules-alias.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const ModulesAlias *alias) {
        size_t size = strlen(alias->pattern) + strlen(alias->module) + 16;
        char *line = malloc(size), *cursor = line;
        ModulesAlias again;

        assert(line);
        (void)snprintf(line, size, "alias %s %s\n", alias->pattern, alias->module);
        assert(modules_alias_next(&cursor, &again));
        assert(strcmp(again.pattern, alias->pattern) == 0);
        assert(strcmp(again.module, alias->module) == 0);
        assert(!modules_alias_next(&cursor, &again));
        free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char modalias[] = "pci:v000010DEd00002484sv00001462sd00003970bc03sc00i00";
        char *text = malloc(size + 1), *cursor = text;
        ModulesAlias alias;

        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        while (modules_alias_next(&cursor, &alias)) {
                check_line(&alias);
                if (modules_alias_is_for(&alias, modalias))
                        assert(alias.pattern[0] != '\0');
        }
        free(text);
        return 0;
}
