/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/init-plan.h"
#include "host/host-plan.h"
#include "host/module-scan.h"
#include "view/words.h"

#define MODE "passthrough"

/* What a plan is made from, as it would be once what was refused has been mended. */
typedef struct Trial {
        const Root *root;
        PciAddress card;
        Host host;
        Config config;
        RunState state;
} Trial;

static RefusalKind make(const Trial *trial, Refusal *ret) {
        _cleanup_free_ Plan *plan = must_have(calloc(1, sizeof(*plan)));
        const PlanInput input = {
                .config = &trial->config, .host = &trial->host, .state = &trial->state, .mode = MODE
        };

        return host_plan_make(trial->root, &input, plan, ret);
}

/* --- as if it had been mended --- */

/* Its functions, in a group that nobody else is in. */
static void part_from_group(Trial *trial) {
        int group = 0;

        for (size_t i = 0; i < trial->host.n_functions; i++)
                if (trial->host.functions[i].iommu_group >= group)
                        group = trial->host.functions[i].iommu_group + 1;
        for (size_t i = 0; i < trial->host.n_functions; i++)
                if (pci_address_same_slot(trial->host.functions[i].address, trial->card))
                        trial->host.functions[i].iommu_group = group;
}

static void consent(Trial *trial, Consent danger) {
        for (size_t i = 0; i < trial->config.n_devices; i++)
                trial->config.devices[i].consent |= danger;
}

static void want_no_pages(Trial *trial) {
        for (size_t i = 0; i < trial->config.n_modes; i++)
                trial->config.modes[i].hugepages = (HugepagesWanted){ 0 };
}

/* Returns whether a person could mend it. */
static bool mend(Trial *trial, RefusalKind kind) {
        switch (kind) {
        case REFUSAL_NO_IOMMU:
                trial->host.iommu = true;
                part_from_group(trial);
                return true;
        case REFUSAL_GROUP_NOT_VIABLE:
                part_from_group(trial);
                return true;
        case REFUSAL_DRIVES_THE_CONSOLE:
                consent(trial, CONSENT_BOOT_VGA);
                return true;
        case REFUSAL_SHARED_DRIVER:
                consent(trial, CONSENT_SHARED_DRIVER);
                return true;
        case REFUSAL_WOULD_CUT_NETWORK:
                consent(trial, CONSENT_NETWORK);
                return true;
        case REFUSAL_WOULD_CUT_STORAGE:
                consent(trial, CONSENT_STORAGE);
                return true;
        case REFUSAL_WOULD_CUT_INPUT:
                consent(trial, CONSENT_INPUT);
                return true;
        case REFUSAL_NO_MEMORY:
                want_no_pages(trial);
                return true;
        case REFUSAL_CONFLICTING_OWNER:
                /* A mode that is in force is mended, whoever else wants its devices. */
                (void)snprintf(trial->state.mode, sizeof(trial->state.mode), MODE);
                return true;
        default:
                return false;
        }
}

const Refusal *init_plan_find(const InitPlan *plan, RefusalKind kind) {
        for (size_t i = 0; i < plan->n_refusals; i++)
                if (plan->refusals[i].refusal.kind == kind)
                        return &plan->refusals[i].refusal;
        return NULL;
}

/* Ends with a refusal that has come before: no consent lets a disk of the running system go. */
static void find_refusals(Trial *trial, bool is_later, InitPlan *ret) {
        bool is_mended[_REFUSAL_MAX] = { false };
        RefusalKind kind;
        Refusal refusal;

        while ((kind = make(trial, &refusal)) != REFUSAL_NONE && !is_mended[kind]) {
                if (!init_plan_find(ret, kind) && ret->n_refusals < INIT_REFUSALS_MAX)
                        ret->refusals[ret->n_refusals++] = (InitRefusal){ refusal, is_later };
                if (!mend(trial, kind))
                        return;
                is_mended[kind] = true;
        }
}

/* --- once the host has had the card --- */

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

static void begin(const Machine *machine, const Setup *setup, const Config *config, Trial *ret) {
        ret->root = &machine->root;
        ret->card = setup->first->address;
        ret->host = machine->host;
        ret->config = *config;
        ret->state = machine->moved;
}

void init_plan_make(const Machine *machine, const Setup *setup, const Config *config,
                    InitPlan *ret) {
        _cleanup_free_ Trial *trial = must_have(malloc(sizeof(*trial)));

        (void)memset(ret, 0, sizeof(*ret));
        begin(machine, setup, config, trial);
        find_refusals(trial, false, ret);
        begin(machine, setup, config, trial);
        if (bring_home(&machine->root, &trial->host, setup->first->address))
                find_refusals(trial, true, ret);
}
