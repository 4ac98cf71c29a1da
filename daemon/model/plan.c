/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner: collects what each function should be, checks whether it may, then writes the steps.
 * Everything that can be refused is refused here, before the first write: a failed bind with the
 * IOMMU off still destroys the firmware console (kernel 6.1, 6.12).
 */
#include <stdio.h>
#include <string.h>

#include "plan-hugepages.h"
#include "plan-notes.h"
#include "plan-take.h"
#include "plan-unload.h"
#include "planner.h"

/* A refusal on the way back is a note: the rest of the way is gone all the same. */
static RefusalKind refuse_or_note(Planner *planner) {
        if (!planner->is_fallback)
                return planner->refusal->kind;
        plan_note(planner->plan, "%s", planner->refusal->text);
        return REFUSAL_NONE;
}

/* --- what each function should be --- */

Want *planner_find(Planner *planner, PciAddress address) {
        for (size_t i = 0; i < planner->n_wants; i++)
                if (pci_address_compare(planner->wants[i].function->address, address) == 0)
                        return &planner->wants[i];
        return NULL;
}

static RefusalKind add_want(Planner *planner, PciAddress address, const ConfigDevice *device,
                            bool vfio) {
        const Function *function = host_find(planner->input->host, address);
        const Want *other = planner_find(planner, address);
        char text[PCI_ADDRESS_SIZE];

        if (!function)
                return REFUSAL_NONE;
        if (other && other->device && device) {
                (void)refusal_set(planner->refusal, REFUSAL_CONFIG_INVALID,
                                  "Devices '%s' and '%s' both mean %s.", other->device->name,
                                  device->name, pci_address_format(address, text));
                return refuse_or_note(planner);
        }
        if (other)
                return REFUSAL_NONE;
        if (planner->n_wants == RUN_STATE_FUNCTIONS_MAX) {
                (void)refusal_set(planner->refusal, REFUSAL_CONFIG_INVALID,
                                  "The configured devices have more than %d functions.",
                                  RUN_STATE_FUNCTIONS_MAX);
                return refuse_or_note(planner);
        }
        planner->wants[planner->n_wants++] =
                (Want){ .function = function, .device = device, .vfio = vfio };
        return REFUSAL_NONE;
}

static RefusalKind collect_device(Planner *planner, const ConfigDevice *device, bool vfio) {
        PciAddress functions[DEVICE_FUNCTIONS_MAX];
        RefusalKind kind;
        size_t n = 0;

        kind = device_resolve(device, planner->input->host, functions, &n, planner->refusal);
        if (kind != REFUSAL_NONE) {
                if (vfio)
                        return refuse_or_note(planner);
                plan_note(planner->plan, "%s", planner->refusal->text);
                return REFUSAL_NONE;
        }
        for (size_t i = 0; i < n && kind == REFUSAL_NONE; i++)
                kind = add_want(planner, functions[i], device, vfio);
        return kind;
}

static RefusalKind collect(Planner *planner) {
        const Config *config = planner->input->config;
        const RunState *state = planner->input->state;
        RefusalKind kind = REFUSAL_NONE;

        for (size_t i = 0; i < config->n_devices && kind == REFUSAL_NONE; i++)
                kind = collect_device(planner, &config->devices[i],
                                      planner->mode->vfio_devices & (UINT32_C(1) << i));
        for (size_t i = 0; i < state->n_homes && kind == REFUSAL_NONE; i++)
                kind = add_want(planner, state->homes[i].address, NULL, false);
        return kind;
}

/* --- where the host has it --- */

/* Where a guide's ids= or another tool may have put it as well. */
static bool is_kept_from_host(const Function *function) {
        return function->on_vfio || driver_is_no_home(function->driver);
}

/* Whether it is where we put it, or where nobody but us should have: to be undone on the way back.
 */
static bool is_ours(const Planner *planner, const Function *function) {
        return is_kept_from_host(function) || driver_name_is_vfio(function->driver_override) ||
               run_state_find_home(planner->input->state, function->address);
}

static bool is_slot_of(const ConfigDevice *device, const Function *function) {
        return device->has_address ? pci_address_same_slot(device->address, function->address)
                                   : pci_id_equal(device->id, function->id);
}

const char *planner_home_driver(const Planner *planner, const Want *want) {
        const HomeFunction *home =
                run_state_find_home(planner->input->state, want->function->address);

        if (want->device && want->device->host_driver[0] != '\0' &&
            want->function->address.function == 0 && is_slot_of(want->device, want->function))
                return want->device->host_driver;
        return home && !driver_is_no_home(home->driver) ? home->driver : "";
}

/* An override that would keep @driver off is not put back. */
static const char *home_override(const Planner *planner, const Function *function,
                                 const char *driver) {
        const HomeFunction *home = run_state_find_home(planner->input->state, function->address);

        if (!home || driver_is_no_home(home->driver_override) ||
            (driver[0] != '\0' && strcmp(home->driver_override, driver) != 0))
                return "";
        return home->driver_override;
}

/* --- whether it may --- */

/*
 * A fallback mode without the boot display would be no way back. Looked at on the way to every
 * other mode; on the way back the display simply stays with the host.
 */
static RefusalKind check_fallback(Planner *planner) {
        const Config *config = planner->input->config;
        const ConfigMode *fallback = config_find_mode(config, config->fallback_mode);

        for (size_t i = 0; i < planner->n_wants; i++) {
                Want *want = &planner->wants[i];
                char address[PCI_ADDRESS_SIZE];

                if (!want->device || !want->function->boot_vga ||
                    !device_is_wanted_on_vfio(config, fallback, want->device))
                        continue;
                (void)refusal_set(
                        planner->refusal, REFUSAL_FALLBACK_TAKES_DISPLAY,
                        "The fallback mode '%s' takes device '%s', but %s is the display that this "
                        "machine booted with; take it out of that mode's vfio-devices.",
                        fallback->name, want->device->name,
                        pci_address_format(want->function->address, address));
                if (!planner->is_fallback)
                        return planner->refusal->kind;
                plan_note(planner->plan, "%s", planner->refusal->text);
                want->vfio = false;
        }
        return REFUSAL_NONE;
}

#define IN_THE_WAY_MAX 8 /* that are named behind the first */

/* Whether a member of the group keeps it from a guest once this plan is done. */
static bool is_in_the_way(Planner *planner, const Want *want, const Function *member) {
        const Want *other = planner_find(planner, member->address);

        if (other && other->vfio)
                return false;
        /* This very plan returns it to the host; or udev's coldplug does so in a moment. */
        if (other && (is_kept_from_host(member) || member->driver[0] == '\0') &&
            (planner->input->early || is_ours(planner, member) ||
             planner_home_driver(planner, other)[0] != '\0'))
                return true;
        /* A group that is on vfio-pci already and not viable for another's doing is not ours to
         * mend. */
        return !want->function->on_vfio && !function_leaves_group_viable(member);
}

static const Function *next_in_the_way(Planner *planner, const Want *want, size_t *i) {
        const Host *host = planner->input->host;

        while (*i < host->n_functions) {
                const Function *member = &host->functions[(*i)++];

                if (member->iommu_group == want->function->iommu_group &&
                    is_in_the_way(planner, want, member))
                        return member;
        }
        return NULL;
}

/* Each that is let go shows the next one: all of them are named at once, as far as they fit. */
static RefusalKind check_group(Planner *planner, const Want *want) {
        char ours[PCI_ADDRESS_SIZE], theirs[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE];
        char others[IN_THE_WAY_MAX * (PCI_ADDRESS_SIZE + 1) + sizeof(", and also ...")] = "";
        const Function *first, *member;
        size_t i = 0, n = 0, length = 0;

        first = next_in_the_way(planner, want, &i);
        if (!first)
                return REFUSAL_NONE;
        while ((member = next_in_the_way(planner, want, &i)) && n++ < IN_THE_WAY_MAX)
                length += (size_t)snprintf(others + length, sizeof(others) - length, "%s%s",
                                           n == 1 ? ", and also " : " ",
                                           pci_address_format(member->address, theirs));
        return refusal_set(
                planner->refusal, REFUSAL_GROUP_NOT_VIABLE,
                "%s cannot be passed through alone: its IOMMU group %d also holds %s (%s), "
                "which %s drives%s%s. Let %s go too (functions=, also=), or move one of them to "
                "another slot.",
                pci_address_format(want->function->address, ours), want->function->iommu_group,
                pci_address_format(first->address, theirs), pci_id_format(first->id, id),
                is_kept_from_host(first) || first->driver[0] == '\0' ? "the host" : first->driver,
                others, n > IN_THE_WAY_MAX ? " ..." : "", n > 0 ? "all of these" : "it");
}

static RefusalKind check_take(Planner *planner, const Want *want) {
        const Function *function = want->function;
        char address[PCI_ADDRESS_SIZE];

        if (!planner->input->host->iommu || function->iommu_group < 0)
                return refusal_set(
                        planner->refusal, REFUSAL_NO_IOMMU,
                        "%s is in no IOMMU group: the IOMMU is off or missing. Switch it on in the "
                        "firmware (VT-d, AMD-Vi) and, on Intel, boot with intel_iommu=on.",
                        pci_address_format(function->address, address));
        if (function->boot_vga && !(want->device->consent & CONSENT_BOOT_VGA))
                return refusal_set(
                        planner->refusal, REFUSAL_DRIVES_THE_CONSOLE,
                        "%s is the display that this machine booted with: its screen goes dark when "
                        "it leaves the host. If that is meant, add 'consent = boot-vga' to [device %s].",
                        pci_address_format(function->address, address), want->device->name);
        if (planner->is_fallback && function->is_held)
                return refusal_set(planner->refusal, REFUSAL_BUSY,
                                   "%s is in use on the host and stays there for now.",
                                   pci_address_format(function->address, address));
        if (plan_unload_check(planner, want) != REFUSAL_NONE)
                return planner->refusal->kind;
        return check_group(planner, want);
}

/* What is on vfio-pci stays there on the way back, whatever becomes of its group: a guest may have
 * it. */
static RefusalKind check_want(Planner *planner, const Want *want) {
        if (!want->vfio)
                return REFUSAL_NONE;
        if (!want->function->on_vfio)
                return check_take(planner, want);
        return planner->is_fallback ? REFUSAL_NONE : check_group(planner, want);
}

static RefusalKind check_takes(Planner *planner) {
        size_t i = 0;

        while (i < planner->n_wants) {
                Want *want = &planner->wants[i];

                if (check_want(planner, want) == REFUSAL_NONE) {
                        i++;
                        continue;
                }
                if (refuse_or_note(planner) != REFUSAL_NONE)
                        return planner->refusal->kind;
                want->vfio = false;
                i = 0; /* without it, the group of one that was let through may not be viable */
        }
        return REFUSAL_NONE;
}

/* Who has the function and is not ended first; NULL where nobody does. A guest that has the group's
 * node has each of its functions, and they stay together. */
static const Holder *find_holder(const Planner *planner, const Function *function) {
        const Host *host = planner->input->host;

        for (size_t i = 0; i < host->n_functions; i++) {
                const Function *member = &host->functions[i];

                if (member != function &&
                    (function->iommu_group < 0 || member->iommu_group != function->iommu_group))
                        continue;
                if (member->on_vfio && member->holder.pid != 0 &&
                    (!planner->input->ends_guests || member->holder.pid == HOLDER_UNSEEN ||
                     member->holder.is_kept))
                        return &member->holder;
        }
        return NULL;
}

/*
 * Unbinding vfio-pci under a guest never returns and hangs journald with it (6.1; facts T21). On
 * the way back what a guest has stays, and everything else returns; but in the fallback mode itself
 * a guest was given the device by others, and it is not for mending to leave that mode.
 */
static RefusalKind check_holders(Planner *planner) {
        const PlanInput *input = planner->input;
        bool returns = planner->is_fallback && strcmp(input->state->mode, input->mode) != 0;

        for (size_t i = 0; i < planner->n_wants; i++) {
                Want *want = &planner->wants[i];
                const Holder *holder = NULL;

                if (!want->vfio && want->function->on_vfio)
                        holder = find_holder(planner, want->function);
                if (!holder)
                        continue;
                (void)refusal_set_holder(planner->refusal, want->function->address, holder,
                                         "is in use");
                if (!returns)
                        return planner->refusal->kind;
                /* Notes are for everybody. */
                plan_note(planner->plan, "%s Until then it stays on vfio-pci.",
                          refusal_public(planner->refusal));
                want->stays = true;
                if (planner->plan->n_staying++ == 0)
                        planner->plan->stays_since = *planner->refusal;
        }
        return REFUSAL_NONE;
}

/* Where guests have all that would return, nothing is done: the old mode goes on. */
static RefusalKind check_returns(const Planner *planner) {
        for (size_t i = 0; i < planner->plan->n_steps; i++)
                if (step_has_address(&planner->plan->steps[i]))
                        return REFUSAL_NONE;
        if (planner->plan->n_staying == 0)
                return REFUSAL_NONE;
        *planner->refusal = planner->plan->stays_since;
        return REFUSAL_BUSY;
}

/* The fallback mode wants none. */
static RefusalKind check_hugepages(Planner *planner) {
        if (planner->is_fallback)
                return REFUSAL_NONE;
        return plan_hugepages_check(planner->input, planner->mode, planner->refusal);
}

/* --- the steps --- */

Step *planner_add_step(Planner *planner, StepKind kind, const Function *function,
                       const char *driver) {
        Step *step = &planner->plan->steps[planner->plan->n_steps++];

        *step = (Step){ .kind = kind };
        if (function)
                step->address = function->address;
        (void)snprintf(step->driver, sizeof(step->driver), "%s", driver);
        return step;
}

/* A host driver in use is never taken away from under the host, also where another one was wanted.
 */
static void note_other_driver(Planner *planner, const Want *want) {
        const Function *function = want->function;
        char address[PCI_ADDRESS_SIZE];

        if (want->device && want->device->host_driver[0] != '\0' &&
            function->address.function == 0 &&
            strcmp(function->driver, want->device->host_driver) != 0)
                plan_note(planner->plan, "%s is on %s, not on its host-driver %s; left as it is.",
                          pci_address_format(function->address, address), function->driver,
                          want->device->host_driver);
}

/* Early at boot udev's coldplug finds the driver that will take it off again. */
static void add_return_framebuffer(Planner *planner, const Function *function) {
        const HomeFunction *home = run_state_find_home(planner->input->state, function->address);
        Step *step;

        if (!home || home->framebuffer[0] == '\0' || planner->input->early)
                return;
        step = planner_add_step(planner, STEP_RETURN_FRAMEBUFFER, function, home->framebuffer);
        (void)memcpy(step->home_driver, home->driver, sizeof(step->home_driver));
}

static void add_return(Planner *planner, const Want *want) {
        const Function *function = want->function;
        const char *driver = planner_home_driver(planner, want),
                   *override = home_override(planner, function, driver);
        bool ours = is_ours(planner, function);

        /* The boot unit lets these go at its end, all of them before the first probe(), which may
         * be slow. */
        if (planner->input->early && function->driver[0] == '\0' &&
            strcmp(function->driver_override, INITRAMFS_OVERRIDE) == 0)
                return;
        if (ours && strcmp(function->driver_override, override) != 0)
                planner_add_step(planner, STEP_SET_OVERRIDE, function, override);
        /* Unless that is its host-driver. */
        if (is_kept_from_host(function) && strcmp(function->driver, driver) != 0)
                planner_add_step(planner, STEP_UNBIND, function, function->driver);
        else if (function->driver[0] != '\0') {
                note_other_driver(planner, want);
                return;
        }

        if (planner->input->early) {
                if (ours)
                        planner_add_step(planner, STEP_COLDPLUG, function, "");
        } else if (driver[0] != '\0') {
                planner_add_step(planner, STEP_BIND, function, driver);
        } else if (ours) {
                planner_add_step(planner, STEP_PROBE, function, "");
        } else if (function->will_bind) {
                planner_add_step(planner, STEP_COLDPLUG, function, "");
        }
        add_return_framebuffer(planner, function);
}

/*
 * Whoever gets the display back gets it first; whoever loses it loses it last, when everything else
 * has worked. i915 and xe are pinned by the audio function's component, which is one more reason.
 */
static void add_steps(Planner *planner) {
        plan_hugepages_raise(planner->input, planner->mode, planner->plan);
        plan_take_add_modules(planner);
        for (int display = 1; display >= 0; display--)
                for (size_t i = 0; i < planner->n_wants; i++)
                        if (!planner->wants[i].vfio && !planner->wants[i].stays &&
                            function_is_display(planner->wants[i].function) == display)
                                add_return(planner, &planner->wants[i]);
        plan_unload_add_return(planner);
        for (int display = 0; display <= 1; display++)
                for (size_t i = 0; i < planner->n_wants; i++)
                        if (planner->wants[i].vfio &&
                            function_is_display(planner->wants[i].function) == display)
                                plan_take_add(planner, planner->wants[i].function);
        plan_hugepages_give_back(planner->input, planner->mode, planner->plan);
}

static void list_vfio(Planner *planner) {
        Plan *plan = planner->plan;

        for (size_t i = 0; i < planner->n_wants; i++)
                if (planner->wants[i].vfio)
                        plan->vfio[plan->n_vfio++] = planner->wants[i].function->address;
}

RefusalKind plan_make(const PlanInput *input, Plan *ret, Refusal *ret_refusal) {
        static RefusalKind (*const phases[])(Planner *) = { collect, check_fallback, check_takes,
                                                            check_holders, check_hugepages };
        Planner planner = {
                .input = input,
                .mode = config_find_mode(input->config, input->mode),
                .plan = ret,
                .refusal = ret_refusal,
                .is_fallback = strcmp(input->mode, input->config->fallback_mode) == 0,
        };

        if (!planner.mode)
                return refusal_set(ret_refusal, REFUSAL_UNKNOWN_MODE,
                                   "The configuration has no mode '%s'.", input->mode);
        (void)memset(ret, 0, sizeof(*ret));
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", input->mode);
        ret->early = input->early;
        for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
                RefusalKind kind = phases[i](&planner);

                if (kind != REFUSAL_NONE)
                        return kind;
        }
        add_steps(&planner);
        list_vfio(&planner);
        return check_returns(&planner);
}

bool plan_has_vfio(const Plan *plan, PciAddress address) {
        for (size_t i = 0; i < plan->n_vfio; i++)
                if (pci_address_compare(plan->vfio[i], address) == 0)
                        return true;
        return false;
}
