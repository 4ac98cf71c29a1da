/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One look at /proc for all functions that leave, and one question to systemd for all units.
 */
#include <stdio.h>
#include <string.h>

#include "holders.h"
#include "in-use.h"
#include "model/guest.h"
#include "sessions.h"
#include "units.h"

/* Who has what is on vfio-pci already was looked for before, where it matters. */
static size_t list_leaving(const Host *host, const Plan *plan, PciAddress *ret) {
        size_t n = 0;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(host, step->address);

                /* More modules than one may go for a function. */
                if (n > 0 && pci_address_compare(ret[n - 1], step->address) == 0)
                        continue;
                if (step_takes_from_driver(step) && function &&
                    (!function->on_vfio || function->holder.pid != 0))
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

static int look_at_driver(const Host *host, const Plan *plan, InUse *ret) {
        char names[DRIVER_UNITS_MAX][CONFIG_UNIT_SIZE];
        UnitState states[DRIVER_UNITS_MAX];
        int r;

        ret->driver = NULL;
        ret->driver_running = 0;
        for (size_t i = 0; !ret->driver && i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(host, step->address);

                if (!step_takes_from_driver(step) || !function)
                        continue;
                ret->driver = waiting_driver(function->driver);
                ret->driver_of = function->address;
        }
        if (!ret->driver)
                return 0;
        for (size_t i = 0; i < DRIVER_UNITS_MAX; i++)
                (void)snprintf(names[i], sizeof(names[i]), "%s", ret->driver->units[i]);
        r = units_look((const char(*)[CONFIG_UNIT_SIZE])names, DRIVER_UNITS_MAX, states);
        for (size_t i = 0; r >= 0 && i < DRIVER_UNITS_MAX; i++)
                if (states[i].runs)
                        ret->driver_running |= UINT32_C(1) << i;
        return r;
}

/* A service is stopped for its own process alone: cron, say, has many others below it. */
void in_use_find_unit(NodeHolder *guest) {
        if (guest_kind(guest->unit) == GUEST_SERVICE &&
            !units_is_main_process(guest->unit, guest->pid))
                guest->unit[0] = '\0';
}

static void part_from_guests(const Host *host, InUse *ret) {
        Holders *holders = &ret->holders, *guests = &ret->guests;
        size_t n = 0;

        for (size_t i = 0; i < holders->n; i++) {
                const Function *function = host_find(host, holders->list[i].address);

                if (function && function->on_vfio)
                        guests->list[guests->n++] = holders->list[i];
                else
                        holders->list[n++] = holders->list[i];
        }
        holders->n = n;
        for (size_t i = 0; i < guests->n; i++)
                in_use_find_unit(&guests->list[i]);
}

int in_use_look(const Root *root, const Host *host, const Plan *plan, const ConfigMode *mode,
                InUse *ret) {
        PciAddress leaving[PLAN_STEPS_MAX];
        size_t n = list_leaving(host, plan, leaving);
        int r = 0;

        ret->holders = ret->guests = (Holders){ .n = 0 };
        if (!root->is_live)
                return 0;
        if (n > 0)
                r = holders_find(root, host, leaving, n, &ret->holders);
        part_from_guests(host, ret);
        if (r >= 0 && mode) {
                ret->running = 0;
                if (mode->n_stop_units > 0)
                        r = look_at_units(mode, ret);
                if (r >= 0)
                        r = look_at_driver(host, plan, ret);
                if (r >= 0 && !ret->sessions.is_known &&
                    (mode->end_sessions || ret->holders.n > 0 || ret->running != 0))
                        r = sessions_look(root, host, plan, mode, &ret->sessions);
        }
        return r;
}
