/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is held stays held when the same mode is applied again: the first choice counts, so that
 * doing the same once more changes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "hold.h"
#include "switch-origin.h"

bool hold_is_by(const char *source) {
        static const char *const sources[] = {
                SOURCE_BUS,      SOURCE_UNIT,   SOURCE_COMMAND,
                SOURCE_FALLBACK, SOURCE_REVERT, SOURCE_POWER_BUTTON
        };

        for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
                if (strcmp(source, sources[i]) == 0)
                        return true;
        return false;
}

bool hold_is_against(const RunState *state, const char *mode, const char *fallback_mode) {
        return state->hold.since > 0 && strcmp(state->mode, mode) != 0 &&
               strcmp(mode, fallback_mode) != 0;
}

void hold_follow(const RunState *before, RunState *next, bool is_held, const char *reason,
                 uint64_t now) {
        if (strcmp(before->mode, next->mode) == 0 && before->hold.since > 0) {
                next->hold = before->hold;
                return;
        }
        next->hold = (Hold){ 0 };
        if (!is_held || next->mode[0] == '\0')
                return;
        next->hold.since = now;
        (void)snprintf(next->hold.reason, sizeof(next->hold.reason), "%s", reason);
}
