/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fnmatch.h>
#include <string.h>

#include "modules-alias.h"

#define ALIAS "alias "

bool modules_alias_next(char **cursor, ModulesAlias *ret) {
        char *line;

        while ((line = strsep(cursor, "\n"))) {
                char *module = strrchr(line, ' ');

                if (strncmp(line, ALIAS, strlen(ALIAS)) != 0 || module < line + strlen(ALIAS))
                        continue;
                *module = '\0';
                *ret = (ModulesAlias){ .pattern = line + strlen(ALIAS), .module = module + 1 };
                return true;
        }
        return false;
}

/* Of the many thousands nearly all differ before their first wildcard, where fnmatch(3) is slow to
 * see it. */
bool modules_alias_is_for(const ModulesAlias *alias, const char *modalias) {
        return strncmp(alias->pattern, modalias, strcspn(alias->pattern, "*?[\\")) == 0 &&
               fnmatch(alias->pattern, modalias, 0) == 0;
}
