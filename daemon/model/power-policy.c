/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * There are four values in all: whatever else is found is as good as nothing, and is never written
 * back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "power-policy.h"

#define NOTHING "-"

bool power_policy_is_known(const PowerPolicy *policy) {
        return policy->control[0] != '\0' || policy->d3cold[0] != '\0';
}

static void set(char *ret, size_t size, const char *text, const char *one, const char *other) {
        bool is_known = strcmp(text, one) == 0 || strcmp(text, other) == 0;

        (void)snprintf(ret, size, "%s", is_known ? text : "");
}

void power_policy_set_control(PowerPolicy *policy, const char *text) {
        set(policy->control, sizeof(policy->control), text, "on", "auto");
}

void power_policy_set_d3cold(PowerPolicy *policy, const char *text) {
        set(policy->d3cold, sizeof(policy->d3cold), text, "0", "1");
}

const char *power_policy_format(const PowerPolicy *policy, char buffer[static POWER_POLICY_SIZE]) {
        (void)snprintf(buffer, POWER_POLICY_SIZE, "%s/%s",
                       policy->control[0] != '\0' ? policy->control : NOTHING,
                       policy->d3cold[0] != '\0' ? policy->d3cold : NOTHING);
        return buffer;
}

/* One text for one policy: what does not come out the same was not written by us. */
int power_policy_parse(const char *text, PowerPolicy *ret) {
        const char *slash = strchr(text, '/');
        char control[8], again[POWER_POLICY_SIZE];
        PowerPolicy policy = { 0 };

        if (!slash || parse_copy(control, sizeof(control), text, (size_t)(slash - text)) < 0)
                return -EBADMSG;
        power_policy_set_control(&policy, control);
        power_policy_set_d3cold(&policy, slash + 1);
        if (!power_policy_is_known(&policy) ||
            strcmp(power_policy_format(&policy, again), text) != 0)
                return -EBADMSG;
        *ret = policy;
        return 0;
}
