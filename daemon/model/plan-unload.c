/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "plan-notes.h"
#include "plan-take.h"
#include "plan-unload.h"

#define REASON_SIZE 80

static bool leaves(const Planner *planner, const Want *want) {
        const ModuleStack *stack = &planner->input->host->stack;

        return want->vfio && (stack->n_modules > 0 || stack->is_tangled) &&
               strcmp(want->function->driver, stack->driver) == 0;
}

/* Whether it will be on the driver when this plan is done, and is not by now. */
static bool comes_back(const Planner *planner, const Want *want) {
        const ModuleStack *stack = &planner->input->host->stack;

        return !want->vfio && !planner->input->early &&
               strcmp(want->function->driver, stack->driver) != 0 &&
               strcmp(planner_home_driver(planner, want), stack->driver) == 0;
}

/* The first function that the driver is needed for; NULL: none. */
static const PciAddress *find_staying(Planner *planner) {
        const ModuleStack *stack = &planner->input->host->stack;

        for (size_t i = 0; i < stack->n_functions; i++) {
                const Want *want = i < MODULE_STACK_FUNCTIONS_MAX
                                           ? planner_find(planner, stack->functions[i])
                                           : NULL;

                if (!want || !leaves(planner, want))
                        return &stack->functions[i < MODULE_STACK_FUNCTIONS_MAX ? i : 0];
        }
        for (size_t i = 0; i < planner->n_wants; i++)
                if (comes_back(planner, &planner->wants[i]))
                        return &planner->wants[i].function->address;
        return NULL;
}

/* Why the driver has to stay loaded, in words. Returns whether it has to. */
static bool has_to_stay(Planner *planner, char ret[static REASON_SIZE]) {
        const PciAddress *staying = find_staying(planner);
        char address[PCI_ADDRESS_SIZE];

        if (staying)
                (void)snprintf(ret, REASON_SIZE, "%s needs that driver as well",
                               pci_address_format(*staying, address));
        else if (planner->input->host->stack.is_tangled)
                (void)snprintf(ret, REASON_SIZE,
                               "the modules above it are too many, or hold each other");
        else
                return false;
        return true;
}

RefusalKind plan_unload_check(Planner *planner, const Want *want) {
        char address[PCI_ADDRESS_SIZE], reason[REASON_SIZE];

        if (!leaves(planner, want) || want->device->consent & CONSENT_SHARED_DRIVER ||
            !has_to_stay(planner, reason))
                return REFUSAL_NONE;
        return refusal_set(
                planner->refusal, REFUSAL_SHARED_DRIVER,
                "%s cannot be taken from %s safely: %s, so it cannot be unloaded, and to "
                "unbind it from a card that is in use hangs in the kernel. If it is to "
                "be unbound all the same, add 'shared-driver' to the consent of "
                "[device %s].",
                pci_address_format(want->function->address, address), want->function->driver,
                reason, want->device->name);
}

static void add_unload(Planner *planner) {
        const ModuleStack *stack = &planner->input->host->stack;
        const Function *first = NULL;

        /* Before, so that nobody who loads the driver again in between has it bind; and, also of
         * one that has this override already, so that the undo log has them all before the first
         * module goes. */
        for (size_t i = 0; i < planner->n_wants; i++) {
                const Function *function = planner->wants[i].function;

                if (!leaves(planner, &planner->wants[i]))
                        continue;
                if (!first)
                        first = function;
                planner_add_step(planner, STEP_SET_OVERRIDE, function,
                                 function_vfio_driver(function));
        }
        for (size_t i = 0; i + 1 < stack->n_modules; i++)
                planner_add_step(planner, STEP_UNLOAD_MODULE, first, stack->modules[i].name)
                        ->n_users = stack->modules[i].n_users;
        /* The last one for each function, whose driver it is. */
        for (size_t i = 0; i < planner->n_wants; i++)
                if (leaves(planner, &planner->wants[i]))
                        planner_add_step(planner, STEP_UNLOAD_MODULE, planner->wants[i].function,
                                         stack->modules[stack->n_modules - 1].name)
                                ->n_users = stack->modules[stack->n_modules - 1].n_users;
}

bool plan_unload_take(Planner *planner, const Function *function) {
        const Want *want = planner_find(planner, function->address);
        char address[PCI_ADDRESS_SIZE], reason[REASON_SIZE];

        if (!want || !leaves(planner, want))
                return false;
        if (has_to_stay(planner, reason)) {
                plan_note(
                        planner->plan,
                        "%s is unbound from %s, which stays loaded (%s): should anything use it by "
                        "then, that hangs in the kernel.",
                        pci_address_format(function->address, address), function->driver, reason);
                return false;
        }
        plan_note_no_return(planner->plan, function);
        if (!planner->unloads)
                add_unload(planner);
        planner->unloads = true;
        plan_take_add_bind(planner, function);
        return true;
}

/* After the functions, since the driver does not stay loaded without one; early at boot udev does
 * it.
 */
void plan_unload_add_return(Planner *planner) {
        const RunState *state = planner->input->state;
        bool is_due = false;

        for (size_t i = 0; i < planner->n_wants && !planner->input->early; i++) {
                const Want *want = &planner->wants[i];

                is_due |= !want->vfio && !want->stays &&
                          run_state_find_home(state, want->function->address) &&
                          waiting_driver(planner_home_driver(planner, want));
        }
        for (size_t i = state->n_modules; is_due && i > 0; i--)
                planner_add_step(planner, STEP_RELOAD_MODULE, NULL, state->modules[i - 1]);
}
