/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemctl prints: whatever it is, every reader comes to its end, names fit, and a job that
 * is found is of one of the units that it was looked for.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/systemctl-output.h"

#define UNITS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        assert(text);
        if (size > 0)
                (void)memcpy(text, data, size);
        text[size] = '\0';
        return text;
}

static void read_states(char *text) {
        UnitState states[UNITS_MAX];

        for (size_t n = 0; n < UNITS_MAX; n++) {
                (void)memset(states, 0x5a, sizeof(states));
                if (systemctl_parse_states(text, n, states) < 0)
                        continue;
                for (size_t i = 0; i < n; i++)
                        assert(memchr(states[i].id, '\0', sizeof(states[i].id)));
        }
}

static void read_instances(char *text) {
        UnitInstance instances[UNITS_MAX];
        int n = systemctl_parse_instances(text, instances, UNITS_MAX);

        assert(n <= UNITS_MAX);
        for (int i = 0; i < n; i++) {
                assert(instances[i].mode[0] != '\0' &&
                       memchr(instances[i].mode, '\0', sizeof(instances[i].mode)));
                assert(memchr(instances[i].active_state, '\0', sizeof(instances[i].active_state)));
        }
}

/* The first line is what is looked for among the others. */
static void read_jobs(char *text) {
        char *jobs = strchr(text, '\n'), type[UNIT_JOB_SIZE];
        const char *found;

        if (!jobs)
                return;
        *jobs++ = '\0';
        if (systemctl_parse_job(jobs, type))
                assert(type[0] != '\0' && strlen(type) < sizeof(type));
        assert(systemctl_leave_ours_out(text) == strlen(text));
        found = systemctl_find_start_job(jobs, text);
        assert(!found || (found[0] != '\0' && strstr(text, found)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const readers[])(char *text) = { read_states, read_instances, read_jobs };

        for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
                char *text = copy(data, size);

                readers[i](text);
                free(text);
        }
        return 0;
}
