/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner is the judge: in a mode that nobody disturbed, a plan for that same mode has neither
 * steps nor notes. So there is no second opinion here of what a mode means, only words.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/plural.h"
#include "devices.h"
#include "drift.h"
#include "model/plan.h"

static void add_function(const Machine *machine, const Plan *plan, const Function *function,
                         Lines *ret) {
        const Config *config = machine_accepted_config(machine);
        const ConfigDevice *device = config_device_of(config, &machine->host, function->address);
        bool vfio = plan_has_vfio(plan, function->address);
        char address[PCI_ADDRESS_SIZE];

        (void)pci_address_format(function->address, address);
        if (function->on_vfio == vfio && function->driver[0] != '\0')
                lines_add(ret, "%s has driver_override '%s', which mode '%s' does not", address,
                          function->driver_override, plan->mode);
        else
                lines_add(ret, "%s is on %s, mode '%s' has it on %s", address,
                          driver_word(function->driver, "no driver"), plan->mode,
                          vfio ? function_vfio_driver(function)
                               : driver_word(device_host_driver(device, function, &machine->moved),
                                             "its host driver"));
}

static void add_pool(const Plan *plan, const Step *step, Lines *ret) {
        lines_add(ret, "there %s %" PRIu64 " hugepage%s of %s, mode '%s' has %" PRIu64,
                  plural_are(step->pages_before), step->pages_before, plural_s(step->pages_before),
                  hugepage_name(step->size), plan->mode, step->pages);
}

/* The steps of one function follow each other; one line is enough for them. */
static void add_steps(const Machine *machine, const Plan *plan, Lines *ret) {
        const Step *last = NULL;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function;

                if (step->kind == STEP_HUGEPAGES)
                        add_pool(plan, step, ret);
                if (!step_has_address(step))
                        continue;
                if (last && pci_address_compare(last->address, step->address) == 0)
                        continue;
                last = step;
                function = host_find(&machine->host, step->address);
                if (function)
                        add_function(machine, plan, function, ret);
        }
}

static void add_config(const Machine *machine, Lines *ret) {
        if (!machine_config_was_changed(machine))
                return;
        if (machine->config.result == -ENOENT)
                lines_add(ret, "/%s was removed since it was accepted", CONFIG_PATH);
        else if (machine->config.result < 0)
                lines_add(ret, "/%s was changed since it was accepted, and has errors",
                          CONFIG_PATH);
        else
                lines_add(ret, "the configuration was changed since it was accepted");
}

void drift_find(const Machine *machine, Lines *ret) {
        const Config *config = machine_accepted_config(machine);
        _cleanup_free_ Plan *plan = must_have(calloc(1, sizeof(*plan)));
        Refusal refusal = { 0 };
        PlanInput input = {
                .config = config,
                .host = &machine->host,
                .state = &machine->moved,
                .mode = machine_mode(machine),
        };

        if (input.mode[0] == '\0')
                return;
        add_config(machine, ret);
        if (!config || machine->host_result < 0 || machine->host.without_overrides)
                return;
        if (plan_make(&input, plan, &refusal) != REFUSAL_NONE) {
                lines_add(ret, "mode '%s' could not be entered as things are: %s", input.mode,
                          refusal.text);
                return;
        }
        add_steps(machine, plan, ret);
        for (size_t i = 0; i < plan->n_notes; i++)
                lines_add(ret, "%s", plan->notes[i]);
}
