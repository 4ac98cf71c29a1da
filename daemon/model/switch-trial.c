/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few lines. What is not known is refused: a way back must not be guessed from half a file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "record.h"
#include "switch-trial.h"

int switch_trial_format(const SwitchTrial *trial, char *buffer, size_t size) {
        int n;

        n = snprintf(buffer, size, "mode=%s\nback=%s\nuntil=%" PRIu64 "\ndue=%" PRIu64 "\n",
                     trial->mode, trial->back, trial->until, trial->due);
        return n < 0 || (size_t)n >= size ? -ENOSPC : n;
}

static int parse_line(const char *key, const char *value, SwitchTrial *trial) {
        if (strcmp(key, "until") == 0)
                return parse_decimal(value, UINT64_MAX, &trial->until) < 0 ? -EBADMSG : 0;
        if (strcmp(key, "due") == 0)
                return parse_decimal(value, UINT64_MAX, &trial->due) < 0 ? -EBADMSG : 0;
        if (strcmp(key, "back") == 0 && (value[0] == '\0' || config_name_is_valid(value)))
                return parse_copy(trial->back, sizeof(trial->back), value, strlen(value));
        if (strcmp(key, "mode") == 0 && config_name_is_valid(value))
                return parse_copy(trial->mode, sizeof(trial->mode), value, strlen(value));
        return -EBADMSG;
}

int switch_trial_parse(const char *text, SwitchTrial *ret) {
        SwitchTrial trial = { 0 };
        char line[SWITCH_TRIAL_SIZE_MAX];
        const char *value;
        int r;

        while ((r = record_next(&text, line, sizeof(line), &value)) > 0) {
                r = parse_line(line, value, &trial);
                if (r < 0)
                        return r;
        }
        if (r < 0 || trial.mode[0] == '\0' || trial.until == 0)
                return -EBADMSG;
        *ret = trial;
        return 0;
}
