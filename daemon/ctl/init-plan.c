/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "ctl/init-plan.h"
#include "host/host-plan.h"
#include "host/module-scan.h"
#include "view/words.h"

#define MODE "passthrough"

static void make(const Machine *machine, const Host *host, const Config *config, Refusal *ret) {
        _cleanup_free_ Plan *plan = must_have(calloc(1, sizeof(*plan)));
        const PlanInput input = {
                .config = config, .host = host, .state = &machine->moved, .mode = MODE
        };

        ret->kind = host_plan_make(&machine->root, &input, plan, ret);
}

/* A driver that other cards are on by now will have this one as well, where its vendor's cards are
 * what it drives. */
static bool put_on(const Root *root, const char *driver, Function *function, ModuleStack *ret) {
        module_scan(root, driver, ret);
        if (ret->n_functions == 0 || ret->n_functions >= MODULE_STACK_FUNCTIONS_MAX)
                return false;
        ret->functions[ret->n_functions++] = function->address;
        (void)memcpy(function->driver, ret->driver, sizeof(function->driver));
        function->driver_override[0] = '\0';
        function->on_vfio = false;
        return true;
}

/* Returns whether the function would be on a driver that waits for its users. */
static bool bring_home(const Root *root, Host *host, PciAddress address) {
        for (size_t i = 0; i < host->n_functions; i++) {
                Function *function = &host->functions[i];
                const char *module;

                if (pci_address_compare(function->address, address) != 0 ||
                    !(function->on_vfio || driver_is_no_home(function->driver)))
                        continue;
                for (size_t n = 0; (module = function_display_module(function, n)); n++)
                        if (waiting_driver(module))
                                return put_on(root, module, function, &host->stack);
        }
        return false;
}

void init_plan_make(const Machine *machine, const Setup *setup, const Config *config,
                    InitPlan *ret) {
        _cleanup_free_ Host *later = NULL;

        (void)memset(ret, 0, sizeof(*ret));
        make(machine, &machine->host, config, &ret->refusal);
        if (ret->refusal.kind != REFUSAL_NONE)
                return;
        later = must_have(malloc(sizeof(*later)));
        *later = machine->host;
        if (!bring_home(&machine->root, later, setup->first->address))
                return;
        make(machine, later, config, &ret->refusal);
        ret->is_later = ret->refusal.kind != REFUSAL_NONE;
}
