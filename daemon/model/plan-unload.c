/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "plan-notes.h"
#include "plan-unload.h"

static bool leaves(const Planner *planner, const Want *want) {
        const ModuleStack *stack = &planner->input->host->stack;

        return want->vfio && stack->n_modules > 0 &&
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

RefusalKind plan_unload_check(Planner *planner, const Want *want) {
        char ours[PCI_ADDRESS_SIZE], theirs[PCI_ADDRESS_SIZE];
        const PciAddress *staying;

        if (!leaves(planner, want) || want->device->consent & CONSENT_SHARED_DRIVER)
                return REFUSAL_NONE;
        staying = find_staying(planner);
        if (!staying)
                return REFUSAL_NONE;
        return refusal_set(
                planner->refusal, REFUSAL_SHARED_DRIVER,
                "%s cannot be taken from %s safely: %s needs that driver as well, so it "
                "cannot be unloaded, and to unbind it from a card that is in use hangs in "
                "the kernel. If it is to be unbound all the same, add 'shared-driver' to "
                "the consent of [device %s].",
                pci_address_format(want->function->address, ours), want->function->driver,
                pci_address_format(*staying, theirs), want->device->name);
}

static void add_unload(Planner *planner) {
        const ModuleStack *stack = &planner->input->host->stack;
        const Function *first = NULL;

        /* Before, so that nobody who loads the driver again in between has it bind. */
        for (size_t i = 0; i < planner->n_wants; i++) {
                const Function *function = planner->wants[i].function;

                if (!leaves(planner, &planner->wants[i]))
                        continue;
                if (!first)
                        first = function;
                if (strcmp(function->driver_override, VFIO_DRIVER) != 0)
                        planner_add_step(planner, STEP_SET_OVERRIDE, function, VFIO_DRIVER);
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
        char ours[PCI_ADDRESS_SIZE], theirs[PCI_ADDRESS_SIZE];
        const PciAddress *staying;

        if (!want || !leaves(planner, want))
                return false;
        staying = find_staying(planner);
        if (staying) {
                plan_note(
                        planner->plan,
                        "%s is unbound from %s, which stays loaded for %s: should anything use it "
                        "by then, that hangs in the kernel.",
                        pci_address_format(function->address, ours), function->driver,
                        pci_address_format(*staying, theirs));
                return false;
        }
        plan_note_no_return(planner->plan, function);
        if (!planner->unloads)
                add_unload(planner);
        planner->unloads = true;
        planner_add_step(planner, STEP_BIND, function, VFIO_DRIVER);
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
