/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "mode-units.h"

#define CUT_SHORT_UNIT "vfio-mode-cut-short@vfio-mode@%s.service"

void mode_units_forget_failures(const UnitInstance *instances, int n, const char *mode) {
        for (int i = 0; i < n; i++)
                if (strcmp(instances[i].active_state, "failed") == 0 &&
                    strcmp(instances[i].mode, mode) != 0)
                        (void)units_reset_failed(instances[i].mode);
}

static bool is_reloaded(const UnitInstance *instances, int n, const char *mode) {
        for (int i = 0; i < n; i++)
                if (strcmp(instances[i].mode, mode) == 0)
                        return strcmp(instances[i].active_state, "reloading") == 0;
        return false;
}

void mode_units_watch_reload(const UnitInstance *instances, int n, const char *mode) {
        char unit[sizeof(CUT_SHORT_UNIT) + CONFIG_NAME_SIZE];
        int r;

        if (!is_reloaded(instances, n, mode))
                return;
        (void)snprintf(unit, sizeof(unit), CUT_SHORT_UNIT, mode);
        r = units_queue_service(unit);
        if (r < 0)
                log_warning_errno(
                        r, "%s cannot be started; nobody would go on if this was killed: %m", unit);
}
