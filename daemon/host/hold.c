/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hold has one number, which no other one has: the microsecond of its beginning.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "hold.h"

#define USEC_PER_SEC 1000000
#define NUMBER_SIZE 24

static void print_number(const Hold *hold, char buffer[static NUMBER_SIZE]) {
        (void)snprintf(buffer, NUMBER_SIZE, "%" PRIu64, hold->since);
}

void hold_forget_released(const Root *root, RunState *state) {
        char released[NUMBER_SIZE], own[NUMBER_SIZE];

        if (state->hold.since == 0)
                return;
        print_number(&state->hold, own);
        if (file_read_line_at(root->fd, RELEASED_PATH, released, sizeof(released)) > 0 &&
            strcmp(released, own) == 0)
                state->hold = (Hold){ 0 };
}

int hold_release(const Root *root, const RunState *state) {
        char text[NUMBER_SIZE + 1];
        int n;

        n = snprintf(text, sizeof(text), "%" PRIu64 "\n", state->hold.since);
        return file_replace_at(root->fd, RELEASED_PATH, text, (size_t)n);
}

RefusalKind hold_refuse(const RunState *state, Refusal *refusal) {
        time_t seconds = (time_t)(state->hold.since / USEC_PER_SEC);
        char since[32] = "";
        struct tm local;

        if (localtime_r(&seconds, &local))
                (void)strftime(since, sizeof(since), " since %Y-%m-%d %H:%M", &local);
        return refusal_set(refusal, REFUSAL_HELD,
                           "Mode '%s' is held%s (%.300s). To let virtual machines change it again: "
                           "vfio-modectl release.",
                           state->mode, since, state->hold.reason);
}
