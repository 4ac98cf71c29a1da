/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One look at /proc for all functions that leave, and one question to systemd for all units.
 */
#include <string.h>

#include "holders.h"
#include "in-use.h"
#include "sessions.h"
#include "units.h"

static size_t list_leaving(const Host *host, const Plan *plan, PciAddress *ret) {
        size_t n = 0;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(host, step->address);

                if (step->kind == STEP_UNBIND && function && !function->on_vfio)
                        ret[n++] = step->address;
        }
        return n;
}

static int look_at_units(const ConfigMode *mode, InUse *ret) {
        UnitState states[CONFIG_STOP_UNITS_MAX];
        int r;

        r = units_look(mode->stop_units, mode->n_stop_units, states);
        for (size_t i = 0; r >= 0 && i < mode->n_stop_units; i++) {
                if (states[i].runs)
                        ret->running |= UINT32_C(1) << i;
                (void)memcpy(ret->ids[i], states[i].id, sizeof(ret->ids[i]));
        }
        return r;
}

int in_use_look(const Root *root, const Host *host, const Plan *plan, const ConfigMode *mode,
                InUse *ret) {
        PciAddress leaving[PLAN_STEPS_MAX];
        size_t n = list_leaving(host, plan, leaving);
        int r = 0;

        ret->holders = (Holders){ .n = 0 };
        if (!root->is_live)
                return 0;
        if (n > 0)
                r = holders_find(root, host, leaving, n, &ret->holders);
        if (r >= 0 && mode) {
                ret->running = 0;
                if (mode->n_stop_units > 0)
                        r = look_at_units(mode, ret);
                if (r >= 0 && !ret->sessions.is_known &&
                    (mode->end_sessions || ret->holders.n > 0 || ret->running != 0))
                        r = sessions_look(root, host, plan, mode, &ret->sessions);
        }
        return r;
}
