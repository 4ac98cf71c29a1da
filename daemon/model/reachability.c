/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A need is lost when any function on its way leaves the host: the controller itself, or whatever
 * it hangs below.
 */
#include <stdio.h>
#include <string.h>

#include "reachability.h"

typedef struct Judge {
        const PlanInput *input;
        const Plan *plan;
        const Needs *needs;
        Refusal *refusal;
        const ConfigDevice *device; /**< that was refused */
} Judge;

/* What made a need go away. */
typedef struct Loss {
        PciAddress address;
        const ConfigDevice *device;
} Loss;

static bool leaves(const PlanInput *input, const Plan *plan, PciAddress address) {
        const Function *function = host_find(input->host, address);

        return function && !function->on_vfio && plan_has_vfio(plan, address);
}

bool reachability_is_at_stake(const PlanInput *input, const Plan *plan) {
        for (size_t i = 0; i < plan->n_vfio; i++)
                if (leaves(input, plan, plan->vfio[i]))
                        return true;
        return false;
}

static bool consents(const ConfigDevice *device, NeedKind kind) {
        static const Consent consent[] = {
                [NEED_NETWORK] = CONSENT_NETWORK,
                [NEED_STORAGE] = CONSENT_STORAGE,
                [NEED_INPUT] = CONSENT_INPUT,
                [NEED_SCREEN] = CONSENT_BOOT_VGA,
        };

        return device && device->consent & consent[kind];
}

bool reachability_screen_is_at_stake(const PlanInput *input, const Plan *plan) {
        for (size_t i = 0; i < plan->n_vfio; i++)
                if (leaves(input, plan, plan->vfio[i]) &&
                    function_is_display(host_find(input->host, plan->vfio[i])) &&
                    !consents(config_device_of(input->config, input->host, plan->vfio[i]),
                              NEED_SCREEN))
                        return true;
        return false;
}

/* Finds the first function on the way that leaves; one whose device does not consent goes before
 * one whose device does. */
static bool is_lost(const Judge *judge, const Need *need, Loss *ret) {
        const PlanInput *input = judge->input;
        bool lost = false;

        for (size_t i = 0; i < need->n_path; i++) {
                PciAddress address = need->path[i];
                const ConfigDevice *device;

                if (!leaves(input, judge->plan, address))
                        continue;
                device = config_device_of(input->config, input->host, address);
                if (lost && consents(device, need->kind))
                        continue;
                *ret = (Loss){ address, device };
                lost = true;
                if (!consents(device, need->kind))
                        break;
        }
        return lost;
}

static RefusalKind refuse(Judge *judge, RefusalKind kind, const Need *need, const Loss *loss,
                          const char *advice) {
        bool is_function = need->is_function &&
                           pci_address_compare(need->path[need->n_path - 1], loss->address) == 0;
        char address[PCI_ADDRESS_SIZE];

        judge->device = loss->device;
        return refusal_set(judge->refusal, kind, "%s %s %s of device '%s'%s", need->chain,
                           is_function ? "is" : "hangs below",
                           pci_address_format(loss->address, address),
                           loss->device ? loss->device->name : "?", advice);
}

/* Said first, so that nobody consents to something else in vain. */
static RefusalKind check_essential(Judge *judge) {
        for (size_t i = 0; i < judge->needs->n_needs; i++) {
                const Need *need = &judge->needs->needs[i];
                Loss loss;

                if (need->is_essential && is_lost(judge, need, &loss))
                        return refuse(judge, REFUSAL_WOULD_CUT_STORAGE, need, &loss,
                                      ". The running system needs that disk, so no consent lets it "
                                      "go: take the device out of the mode, or put the disk "
                                      "elsewhere.");
        }
        return REFUSAL_NONE;
}

static RefusalKind check_kind(Judge *judge, NeedKind wanted, RefusalKind kind, const char *advice) {
        for (size_t i = 0; i < judge->needs->n_needs; i++) {
                const Need *need = &judge->needs->needs[i];
                Loss loss;

                if (need->kind == wanted && is_lost(judge, need, &loss) &&
                    !consents(loss.device, wanted))
                        return refuse(judge, kind, need, &loss, advice);
        }
        return REFUSAL_NONE;
}

static bool keeps_a_keyboard(const Judge *judge) {
        for (size_t i = 0; i < judge->needs->n_needs; i++) {
                const Need *need = &judge->needs->needs[i];
                Loss loss;

                if (need->kind == NEED_INPUT && !is_lost(judge, need, &loss))
                        return true;
        }
        return false;
}

static bool comes_back(const Judge *judge, const Need *screen) {
        for (size_t i = 0; i < judge->plan->n_steps; i++) {
                const Step *step = &judge->plan->steps[i];

                if (step->kind == STEP_UNBIND &&
                    pci_address_compare(step->address, screen->path[screen->n_path - 1]) == 0)
                        return true;
        }
        return false;
}

static bool keeps_a_screen(const Judge *judge, bool boot_vga) {
        for (size_t i = 0; i < judge->needs->n_needs; i++) {
                const Need *need = &judge->needs->needs[i];
                Loss loss;

                if (need->kind == NEED_SCREEN && (need->is_boot_vga || !boot_vga) &&
                    (need->is_away ? comes_back(judge, need) : !is_lost(judge, need, &loss)))
                        return true;
        }
        return false;
}

/* A machine that keeps its boot_vga has a console there, whatever the kernel has it on now. */
static RefusalKind check_screens(Judge *judge) {
        bool keeps_one = keeps_a_screen(judge, false);

        if (keeps_a_screen(judge, true))
                return REFUSAL_NONE;
        for (size_t i = 0; i < judge->needs->n_needs; i++) {
                const Need *need = &judge->needs->needs[i];
                Loss loss;

                if (need->kind == NEED_SCREEN && (need->shows_console || !keeps_one) &&
                    is_lost(judge, need, &loss) && !consents(loss.device, NEED_SCREEN))
                        return refuse(judge, REFUSAL_DRIVES_THE_CONSOLE, need, &loss,
                                      ": its screen goes dark when it leaves. If that is meant, "
                                      "add 'boot-vga' to the device's consent "
                                      "(consent = boot-vga).");
        }
        return REFUSAL_NONE;
}

static RefusalKind judge_plan(Judge *judge) {
        RefusalKind kind;

        kind = check_essential(judge);
        if (kind == REFUSAL_NONE)
                kind = check_kind(judge, NEED_STORAGE, REFUSAL_WOULD_CUT_STORAGE,
                                  ". Take it out of use first (umount); or, if that is meant, add "
                                  "'storage' to the device's consent.");
        if (kind == REFUSAL_NONE)
                kind = check_kind(judge, NEED_NETWORK, REFUSAL_WOULD_CUT_NETWORK,
                                  ". Give the default route to another interface; or, if that is "
                                  "meant, add 'network' to the device's consent.");
        if (kind == REFUSAL_NONE && !keeps_a_keyboard(judge))
                kind = check_kind(judge, NEED_INPUT, REFUSAL_WOULD_CUT_INPUT,
                                  ", and no other keyboard would be left. Plug one in elsewhere; "
                                  "or, if that is meant, add 'input' to the device's consent.");
        return kind == REFUSAL_NONE ? check_screens(judge) : kind;
}

/* Takes what would leave of a device out of the plan. */
static void keep_device(const PlanInput *input, Plan *plan, const ConfigDevice *device) {
        size_t n_steps = 0, n_vfio = 0;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];

                if (step->kind == STEP_LOAD_MODULE || !leaves(input, plan, step->address) ||
                    config_device_of(input->config, input->host, step->address) != device)
                        plan->steps[n_steps++] = *step;
        }
        plan->n_steps = n_steps;
        for (size_t i = 0; i < plan->n_vfio; i++) {
                PciAddress address = plan->vfio[i];

                if (host_find(input->host, address)->on_vfio ||
                    config_device_of(input->config, input->host, address) != device)
                        plan->vfio[n_vfio++] = address;
        }
        plan->n_vfio = n_vfio;
}

RefusalKind reachability_check(const PlanInput *input, Plan *plan, const Needs *needs,
                               Refusal *ret_refusal) {
        Judge judge = { .input = input, .plan = plan, .needs = needs, .refusal = ret_refusal };

        if (strcmp(input->mode, input->config->fallback_mode) != 0)
                return judge_plan(&judge);
        while (judge_plan(&judge) != REFUSAL_NONE) {
                if (plan->n_notes < PLAN_NOTES_MAX)
                        (void)snprintf(plan->notes[plan->n_notes++], sizeof(plan->notes[0]), "%s",
                                       ret_refusal->text);
                keep_device(input, plan, judge.device);
        }
        return REFUSAL_NONE;
}

static bool is_below(const Need *need, PciAddress address) {
        for (size_t i = 0; i < need->n_path; i++)
                if (pci_address_compare(need->path[i], address) == 0)
                        return !need->is_away;
        return false;
}

const Need *reachability_need_of(const Needs *needs, PciAddress address) {
        static const unsigned weights[] = {
                [NEED_INPUT] = 1, [NEED_SCREEN] = 2, [NEED_NETWORK] = 3, [NEED_STORAGE] = 4
        };
        const Need *found = NULL;

        for (size_t i = 0; i < needs->n_needs; i++) {
                const Need *need = &needs->needs[i];

                if (is_below(need, address) &&
                    (!found || need->is_essential || weights[need->kind] > weights[found->kind]))
                        found = need;
                if (found && found->is_essential)
                        break;
        }
        return found;
}
