/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/cgroup: whatever it says, a holder is of a valid unit of the system's, or of a user, or
 * of neither; never of both. A unit of a user's is valid, too.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/in-use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        NodeHolder holder;

        assert(text);
        (void)memcpy(text, data, size);
        text[size] = '\0';
        (void)memset(&holder, 0x5a, sizeof(holder));
        in_use_parse_cgroup(text, &holder);
        assert(memchr(holder.unit, '\0', sizeof(holder.unit)));
        assert(memchr(holder.session, '\0', sizeof(holder.session)));
        assert(memchr(holder.user, '\0', sizeof(holder.user)));
        assert(holder.unit[0] == '\0' || config_unit_is_valid(holder.unit));
        assert(holder.unit[0] == '\0' || holder.user[0] == '\0');
        assert(holder.session[0] == '\0' || holder.user[0] != '\0');
        assert(memchr(holder.user_unit, '\0', sizeof(holder.user_unit)));
        assert(holder.user_unit[0] == '\0' || config_unit_is_valid(holder.user_unit));
        assert(holder.user_unit[0] == '\0' || holder.user[0] != '\0');
        assert(strstr(text, holder.user_unit));
        assert(strstr(text, holder.unit) && strstr(text, holder.user));
        free(text);
        return 0;
}
