/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A description may hold anything, and stands last; names of units have no blanks.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "systemctl-output.h"

#define PREFIX "vfio-mode@"
#define SUFFIX ".service"
#define OUR_PREFIX "vfio-mode-"

bool systemctl_state_runs(const char *active_state) {
        static const char *const states[] = { "active", "activating", "reloading", "refreshing" };

        for (size_t i = 0; i < ARRAY_SIZE(states); i++)
                if (strcmp(active_state, states[i]) == 0)
                        return true;
        return false;
}

/* A paragraph for each unit, in the order asked for. */
int systemctl_parse_states(char *output, size_t n, UnitState *ret) {
        size_t i = 0, n_told = 0;
        char *cursor = output, *line;

        (void)memset(ret, 0, n * sizeof(*ret));
        while ((line = strsep(&cursor, "\n"))) {
                if (line[0] == '\0') {
                        i += n_told > 0;
                        n_told = 0;
                        continue;
                }
                if (i == n)
                        return -EBADMSG;
                if (strncmp(line, "Id=", 3) == 0 &&
                    parse_copy(ret[i].id, sizeof(ret[i].id), line + 3, strlen(line + 3)) < 0)
                        ret[i].id[0] = '\0';
                else if (strncmp(line, "ActiveState=", 12) == 0)
                        ret[i].runs = systemctl_state_runs(line + 12);
                n_told++;
        }
        return i + (n_told > 0) == n ? 0 : -EBADMSG;
}

/* Takes the mode's name out of "vfio-mode@NAME.service". */
static int parse_unit(const char *word, size_t length, char mode[static CONFIG_NAME_SIZE]) {
        size_t prefix = strlen(PREFIX), suffix = strlen(SUFFIX);

        if (length <= prefix + suffix || strncmp(word, PREFIX, prefix) != 0 ||
            strncmp(word + length - suffix, SUFFIX, suffix) != 0)
                return -EINVAL;
        return parse_copy(mode, CONFIG_NAME_SIZE, word + prefix, length - prefix - suffix);
}

/* A line of list-units: unit, load state, active state, sub-state, description. */
static int parse_instance(const char *line, UnitInstance *ret) {
        const char *word;
        size_t length;

        word = parse_word(&line, &length);
        if (!word || parse_unit(word, length, ret->mode) < 0)
                return -EINVAL;
        if (!parse_word(&line, &length))
                return -EINVAL;
        word = parse_word(&line, &length);
        if (!word)
                return -EINVAL;
        return parse_copy(ret->active_state, sizeof(ret->active_state), word, length);
}

int systemctl_parse_instances(char *output, UnitInstance *ret, size_t max) {
        char *cursor = output, *line;
        size_t n = 0;

        while ((line = strsep(&cursor, "\n"))) {
                if (line[0] == '\0')
                        continue;
                if (n == max)
                        return -E2BIG;
                if (parse_instance(line, &ret[n]) >= 0)
                        n++;
        }
        return (int)n;
}

/* A line of list-jobs: number, unit, type, state. */
bool systemctl_parse_job(const char *output, char ret[static UNIT_JOB_SIZE]) {
        const char *word = NULL;
        size_t length = 0;

        for (unsigned column = 0; column < 3; column++)
                word = parse_word(&output, &length);
        return word && parse_copy(ret, UNIT_JOB_SIZE, word, length) >= 0;
}

/* What is ours and ends with a mode as well, its guard or who watches over the network, nobody has
 * to wait for. */
size_t systemctl_leave_ours_out(char *units) {
        const char *cursor = units, *word;
        char *end = units;
        size_t length;

        for (char *c = units; *c; c++)
                if (*c == '\n')
                        *c = ' ';
        while ((word = parse_word(&cursor, &length))) {
                if (strncmp(word, OUR_PREFIX, strlen(OUR_PREFIX)) == 0)
                        continue;
                if (end > units)
                        *end++ = ' ';
                (void)memmove(end, word, length);
                end += length;
        }
        *end = '\0';
        return (size_t)(end - units);
}

static bool has_word(const char *words, const char *word, size_t length) {
        const char *next;
        size_t n;

        while ((next = parse_word(&words, &n)))
                if (n == length && strncmp(next, word, n) == 0)
                        return true;
        return false;
}

const char *systemctl_find_start_job(char *jobs, const char *units) {
        char *line;

        while ((line = strsep(&jobs, "\n"))) {
                const char *cursor = line, *unit, *type;
                size_t length, type_length;

                if (!parse_word(&cursor, &length))
                        continue;
                unit = parse_word(&cursor, &length);
                type = unit ? parse_word(&cursor, &type_length) : NULL;
                if (!type || type_length != strlen("start") ||
                    strncmp(type, "start", type_length) != 0 || !has_word(units, unit, length))
                        continue;
                line[unit - line + (ptrdiff_t)length] = '\0';
                return unit;
        }
        return NULL;
}
