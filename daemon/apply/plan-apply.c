/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One step after another. What a failure means for the user is said here; what it means for the
 * functions already moved is rollback()'s.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/plural.h"
#include "framebuffer.h"
#include "hugepages.h"
#include "load.h"
#include "model/bind-error.h"
#include "picture.h"
#include "plan-apply.h"
#include "power.h"
#include "sysfs.h"
#include "unbind.h"
#include "undone.h"
#include "unload.h"
#include "wedged.h"

typedef struct Run {
        const Root *root;
        Writer *writer;
        const Plan *plan;
        const Host *host;
        const PlanGate *gate; /* NULL: none, or passed */
        UndoLog *undo;
        Refusal *refusal;
        uint64_t pages_deadline;
} Run;

static int fail_step(Run *run, const Step *step, int error) {
        char text[PLAN_STEP_TEXT_SIZE];

        (void)step_format(step, text);
        if (error == -ETIME)
                (void)refusal_set(run->refusal, REFUSAL_FAILED,
                                  "The boot is not held up for longer, and this was still to be "
                                  "done: %s.",
                                  text);
        else
                (void)refusal_set(run->refusal, REFUSAL_FAILED, "This failed: %s (%s).", text,
                                  strerror(-error));
        return error;
}

static int fail_bind(Run *run, const Step *step, const char *driver, int error) {
        char text[REFUSAL_TEXT_SIZE];

        if (error == -ETIME)
                return fail_step(run, step, error);
        (void)bind_error_format(step->address, driver, error, text, sizeof(text));
        (void)refusal_set(run->refusal, REFUSAL_FAILED, "%s", text);
        return error < 0 ? error : -ENODEV;
}

static int load_module(Run *run, const Step *step) {
        int r;

        r = load_by_name(run->writer, step->address, step->driver);
        if (r < 0) {
                (void)refusal_set(
                        run->refusal, REFUSAL_MODULE_UNAVAILABLE,
                        "The module %s cannot be loaded (%s); is it installed for this kernel?",
                        step->driver, strerror(-r));
                return r;
        }
        return 0;
}

/* What a screen may need besides its driver; what the driver is there for comes first. */
static int reload_module(const Run *run, const Step *step) {
        int r;

        r = load_by_name(run->writer, step->address, step->driver);
        if (r < 0 && !run->writer->is_stuck)
                log_warning_errno(r, "The module %s cannot be loaded again: %m", step->driver);
        return run->writer->is_stuck ? r : 0;
}

static int unload(Run *run, const Step *step) {
        int r;

        r = unload_module(run->writer, run->undo, step->address, step->driver, run->plan->early,
                          run->refusal);
        return r < 0 && r != -EBUSY ? fail_step(run, step, r) : r;
}

/*
 * Ids that were given to vfio-pci or pci-stub (new_id, ids=) match in every mode: it takes the
 * function again when it is probed, where it was registered first, or loaded by the host driver's
 * softdep (kernel 6.1, 6.12); then also by an override that was still set. Returns whether the
 * function is free of it now.
 */
static bool take_from_grabber(const Run *run, const Step *step) {
        const Function *function = host_find(run->host, step->address);
        char grabber[CONFIG_DRIVER_SIZE], address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE];

        if (!function || driver_is_no_home(step->driver) ||
            sysfs_read_driver(run->root, step->address, grabber) < 0 || !driver_is_no_home(grabber))
                return false;
        (void)pci_address_format(step->address, address);
        if (sysfs_remove_id(run->writer, step->address, grabber, function->id) >= 0)
                log_notice("%s took %s: it had been told to take every %s, and is not any more.",
                           grabber, address, pci_id_format(function->id, id));
        else
                log_notice("%s was faster and took %s.", grabber, address);
        return sysfs_unbind(run->writer, step->address, grabber) >= 0;
}

static int bind(Run *run, const Step *step) {
        int r;

        r = load_driver(run->writer, step->address, step->driver);
        if (r >= 0)
                r = sysfs_bind(run->writer, step->address, step->driver);
        if (r <= 0 && !run->writer->is_stuck && take_from_grabber(run, step))
                r = sysfs_bind(run->writer, step->address, step->driver);
        return r <= 0 ? fail_bind(run, step, step->driver, r) : 0;
}

static int probe_for_host(const Run *run, const Step *step) {
        int r;

        r = sysfs_probe(run->writer, step->address);
        if (r > 0 && take_from_grabber(run, step))
                r = sysfs_probe(run->writer, step->address);
        return run->writer->is_stuck ? -ETIMEDOUT : r;
}

/* A function for which the system has no driver at all was at home without one. */
static int probe(Run *run, const Step *step) {
        char text[PCI_ADDRESS_SIZE];
        int r, n_allowed, n_any = 0;

        n_allowed = load_for(run->writer, step->address, MODULE_ALLOWED);
        r = probe_for_host(run, step);
        /* A blacklisted driver is better than none, and would take the card from a better one. */
        if (r == 0) {
                n_any = load_for(run->writer, step->address, MODULE_ANY);
                /* An error may be that of one module, and hide that there were more. */
                if (n_any < 0 || n_any != n_allowed)
                        r = probe_for_host(run, step);
        }
        if (r < 0)
                return fail_step(run, step, r);
        if (r == 0 && n_any > 0)
                return fail_bind(run, step, "its host driver", 0);
        /* "install nouveau /bin/false" in modprobe.d fails as a broken module does, and is how
         * people say that there shall be no driver. Without libkmod nobody knows. */
        if (r == 0 && n_any < 0 && n_any != -EOPNOTSUPP)
                log_warning_errno(n_any, "%s is without a driver, since none could be loaded: %m",
                                  pci_address_format(step->address, text));
        else if (r == 0)
                log_notice("%s has no driver on this host.",
                           pci_address_format(step->address, text));
        return 0;
}

/* Fewer than wanted is said; fewer than needed is a refusal, and what was got is given back. */
static int raise_pool(Run *run, const Step *step) {
        const char *size = hugepage_name(step->size);
        uint64_t got;
        int r;

        r = hugepages_raise(run->writer, step->size, step->pages, run->pages_deadline, &got);
        if (r < 0)
                return fail_step(run, step, r);
        if (got >= step->pages)
                return 0;
        if (got >= step->pages_min) {
                log_warning("There %s %" PRIu64 " hugepage%s of %s; %" PRIu64 " %s wanted.",
                            plural_are(got), got, plural_s(got), size, step->pages,
                            plural_are(step->pages));
                return 0;
        }
        (void)refusal_set(
                run->refusal, REFUSAL_NO_MEMORY,
                "Only %" PRIu64 " hugepage%s of %s could be had: %" PRIu64 " %s wanted, at least "
                "%" PRIu64 " %s needed, and there %s %" PRIu64 ". Memory is short or in pieces: "
                "boot into the mode, where it is whole, or want fewer (hugepages-min=); dropping "
                "caches does not always help.",
                got, plural_s(got), size, step->pages, plural_are(step->pages), step->pages_min,
                plural_are(step->pages_min), plural_were(step->pages_before), step->pages_before);
        return -ENOMEM;
}

/* Memory that stays away is no reason to keep a screen away. */
static void give_pages_back(Writer *writer, HugepageSize size, uint64_t pages) {
        int r;

        r = hugepages_lower(writer, size, pages);
        if (r < 0)
                log_warning_errno(r, "The hugepages of %s cannot be given back: %m",
                                  hugepage_name(size));
}

/* One that another mode's pages were given back from already is filled again, as far as it goes. */
static void put_pool_back(const Run *run, HugepageSize size, uint64_t pages) {
        uint64_t got = 0;
        int r;

        give_pages_back(run->writer, size, pages);
        r = hugepages_raise(run->writer, size, pages, run->pages_deadline, &got);
        if (r < 0 || got < pages)
                log_warning("There %s %" PRIu64 " hugepage%s of %s; there %s %" PRIu64 ".",
                            plural_are(got), got, plural_s(got), hugepage_name(size),
                            plural_were(pages), pages);
}

static int set_pool(Run *run, const Step *step) {
        if (step->pages > step->pages_before)
                return raise_pool(run, step);
        give_pages_back(run->writer, step->size, step->pages);
        return 0;
}

static int unbind(Run *run, const Step *step) {
        int r;

        r = unbind_unless_held(run->writer, run->host, step->address, step->driver, run->refusal);
        return r < 0 && r != -EUSERS ? fail_step(run, step, r) : r;
}

/* A variant may be called otherwise than its module, which is all that was known of it. */
static Step with_driver(const Run *run, const Step *step) {
        Step named = *step;

        if ((step->kind == STEP_SET_OVERRIDE || step->kind == STEP_BIND) &&
            driver_name_is_vfio(step->driver) && strcmp(step->driver, VFIO_DRIVER) != 0 &&
            !sysfs_has_driver(run->root, step->driver) &&
            sysfs_read_driver_of(run->root, step->driver, named.driver) >= 0)
                return named;
        return *step;
}

static int take_step(Run *run, const Step *step) {
        int r = 0;

        switch (step->kind) {
        case STEP_LOAD_MODULE:
                return load_module(run, step);
        case STEP_RELOAD_MODULE:
                return reload_module(run, step);
        case STEP_UNLOAD_MODULE:
                return unload(run, step);
        case STEP_SET_OVERRIDE:
                r = sysfs_set_override(run->writer, step->address, step->driver);
                break;
        case STEP_UNBIND:
                return unbind(run, step);
        case STEP_RELEASE_FRAMEBUFFER:
                r = framebuffer_release(run->writer, step->address, step->driver);
                break;
        case STEP_RETURN_FRAMEBUFFER:
                framebuffer_return(run->writer, step->address, step->driver, step->home_driver);
                return run->writer->is_stuck ? -ETIMEDOUT : 0;
        case STEP_BIND:
                return bind(run, step);
        case STEP_PROBE:
                return probe(run, step);
        case STEP_COLDPLUG:
                r = probe_for_host(run, step);
                break;
        case STEP_HUGEPAGES:
                return set_pool(run, step);
        }
        return r < 0 ? fail_step(run, step, r) : 0;
}

static int note_home(Run *run, const Step *step) {
        const Function *function = host_find(run->host, step->address);
        HomeFunction home = { .address = step->address };
        int r;

        if (step->kind == STEP_HUGEPAGES) {
                r = undo_log_add_pool(run->undo, step->size, step->pages_before);
                return r < 0 ? fail_step(run, step, r) : 0;
        }
        if (!step_has_address(step) || !function ||
            run_state_find_home(&run->undo->state, step->address))
                return 0;
        (void)memcpy(home.driver, function->driver, sizeof(home.driver));
        (void)memcpy(home.driver_override, function->driver_override, sizeof(home.driver_override));
        (void)memcpy(home.framebuffer, function->framebuffer, sizeof(home.framebuffer));
        home.had_picture = function_is_display(function) && !function->on_vfio &&
                           picture_is_there(run->root, step->address);
        /* Before udev's coldplug nobody has set any. */
        if (!function->on_vfio && !run->plan->early)
                power_note(run->root, &run->undo->state, &home);
        r = undo_log_add(run->undo, &home);
        return r < 0 ? fail_step(run, step, r) : 0;
}

/*
 * Under an override that names it, any driver binds: also vfio-pci where somebody bound it by
 * new_id, and a driver that does not match the override it was found with.
 */
static int rebind(Writer *writer, const HomeFunction *home) {
        int r;

        r = sysfs_set_override(writer, home->address, home->driver);
        /* Where it cannot be loaded there is nothing to bind to, which is said then. */
        if (r >= 0 && load_driver(writer, home->address, home->driver) >= 0)
                r = sysfs_bind(writer, home->address, home->driver);
        return r == 0 ? -ENODEV : r;
}

/* Returns 1 where it had left its driver; 0; else a negative errno. */
static int put_back(const Run *run, const HomeFunction *home) {
        Writer *writer = run->writer;
        char bound[CONFIG_DRIVER_SIZE];
        bool has_left = false;
        Refusal refusal;
        int r, error;

        r = sysfs_read_driver(writer->root, home->address, bound);
        if (r >= 0 && strcmp(bound, home->driver) != 0) {
                has_left = true;
                if (bound[0] != '\0')
                        r = unload_driver_of(writer, run->undo, home->address, bound,
                                             run->plan->early);
                if (r > 0)
                        r = unbind_unless_held(writer, run->host, home->address, bound, &refusal);
                if (r == -EUSERS)
                        log_error("%s", refusal.text);
                if (r >= 0 && home->driver[0] != '\0')
                        r = rebind(writer, home);
        }
        error = sysfs_set_override(writer, home->address, home->driver_override);
        if (home->framebuffer[0] != '\0' && !writer->is_stuck)
                framebuffer_return(writer, home->address, home->framebuffer, home->driver);
        if (r >= 0)
                power_put_back(writer, home);
        if (r >= 0)
                r = error;
        return r < 0 ? r : has_left;
}

/* Else what was unloaded has no card that it could be loaded for. */
static bool has_waiting_home(const RunState *undo) {
        for (size_t i = 0; i < undo->n_homes; i++)
                if (waiting_driver(undo->homes[i].driver))
                        return true;
        return false;
}

static RefusalKind rollback(Run *run) {
        const RunState *undo = &run->undo->state;
        char address[PCI_ADDRESS_SIZE];
        Undone undone = { 0 };
        int r, error = 0;

        writer_begin_return(run->writer);
        if (run->undo->state.n_homes > 0)
                log_warning("%s Undoing what was done.", run->refusal->text);
        for (size_t i = undo->n_homes; i > 0; i--) {
                r = put_back(run, &undo->homes[i - 1]);
                if (run->writer->is_stuck)
                        return wedged_refuse(run->writer, run->refusal);
                undone_add(&undone, &undo->homes[i - 1], r);
                if (r < 0)
                        error = log_error_errno(
                                r, "%s cannot be put back: %m",
                                pci_address_format(undo->homes[i - 1].address, address));
        }
        if (has_waiting_home(undo) && unload_undo(run->writer, undo) < 0)
                error = -EIO;
        if (run->writer->is_stuck)
                return wedged_refuse(run->writer, run->refusal);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (undo->home_pools[size].is_known)
                        put_pool_back(run, size, undo->home_pools[size].pages);
        if (run->writer->is_stuck)
                return wedged_refuse(run->writer, run->refusal);
        if (error < 0)
                run->refusal->kind = REFUSAL_HALF_WAY;
        if (undo->n_homes > 0)
                undone_say(&undone, run->refusal);
        return run->refusal->kind;
}

static RefusalKind pass_gate(Run *run) {
        const PlanGate *gate = run->gate;

        run->gate = NULL;
        return gate ? gate->pass(gate->userdata, run->undo, run->refusal) : REFUSAL_NONE;
}

static bool has_failed(const PciAddress *failed, size_t n, PciAddress address) {
        for (size_t i = 0; i < n; i++)
                if (pci_address_compare(failed[i], address) == 0)
                        return true;
        return false;
}

/* What could not be given to vfio-pci goes on as it was, and not under our override. */
static size_t leave_untaken(Run *run, PciAddress address, PciAddress *failed, size_t n) {
        const HomeFunction *home = run_state_find_home(&run->undo->state, address);
        char text[PCI_ADDRESS_SIZE];
        int r;

        if (has_failed(failed, n, address))
                return n;
        failed[n++] = address;
        if (!home || !plan_has_vfio(run->plan, address) || run->writer->is_stuck)
                return n;
        r = put_back(run, home);
        if (r < 0 && !run->writer->is_stuck)
                log_error_errno(r, "%s cannot be put back: %m", pci_address_format(address, text));
        return n;
}

/* The driver stays with all its functions, which were to go together. */
static size_t keep_the_driver(Run *run, PciAddress *failed, size_t n) {
        for (size_t i = 0; i < run->plan->n_steps; i++)
                if (run->plan->steps[i].kind == STEP_UNLOAD_MODULE)
                        n = leave_untaken(run, run->plan->steps[i].address, failed, n);
        if (!run->writer->is_stuck)
                (void)unload_undo(run->writer, &run->undo->state);
        return n;
}

/* The way back: whatever can be brought back is. */
static RefusalKind apply_best_effort(Run *run) {
        PciAddress failed[PLAN_STEPS_MAX];
        char text[PLAN_STEP_TEXT_SIZE];
        size_t n_failed = 0;

        writer_begin_return(run->writer);
        if (pass_gate(run) != REFUSAL_NONE)
                log_warning("%s", run->refusal->text);
        for (size_t i = 0; i < run->plan->n_steps; i++) {
                const Step named = with_driver(run, &run->plan->steps[i]), *step = &named;

                if (step_has_address(step) && step->kind != STEP_RETURN_FRAMEBUFFER &&
                    has_failed(failed, n_failed, step->address))
                        continue;
                log_info("%s", step_format(step, text));
                /* Without its line in the log a step is taken all the same: the screen comes first.
                 */
                (void)note_home(run, step);
                if (take_step(run, step) >= 0)
                        continue;
                if (step->kind == STEP_UNLOAD_MODULE)
                        n_failed = keep_the_driver(run, failed, n_failed);
                else if (step_has_address(step))
                        n_failed = leave_untaken(run, step->address, failed, n_failed);
                if (run->writer->is_stuck)
                        return wedged_refuse(run->writer, run->refusal);
                log_error("%s", run->refusal->text);
        }
        if (n_failed > 0)
                run->refusal->kind = REFUSAL_HALF_WAY;
        return n_failed > 0 ? REFUSAL_HALF_WAY : REFUSAL_NONE;
}

static RefusalKind apply_or_undo(Run *run) {
        char text[PLAN_STEP_TEXT_SIZE];

        for (size_t i = 0; i < run->plan->n_steps; i++) {
                const Step named = with_driver(run, &run->plan->steps[i]), *step = &named;

                if (step->kind != STEP_HUGEPAGES && pass_gate(run) != REFUSAL_NONE)
                        return rollback(run);
                log_info("%s", step_format(step, text));
                if (note_home(run, step) >= 0 && take_step(run, step) >= 0)
                        continue;
                return run->writer->is_stuck ? wedged_refuse(run->writer, run->refusal)
                                             : rollback(run);
        }
        return pass_gate(run) == REFUSAL_NONE ? REFUSAL_NONE : rollback(run);
}

RefusalKind plan_apply(Writer *writer, const Plan *plan, const Host *host, bool best_effort,
                       const PlanGate *gate, UndoLog *undo, Refusal *ret_refusal) {
        Run run = {
                .root = writer->root,
                .writer = writer,
                .plan = plan,
                .host = host,
                .gate = gate,
                .undo = undo,
                .refusal = ret_refusal,
                .pages_deadline = hugepages_deadline(plan->early),
        };

        writer->log = undo;
        return best_effort ? apply_best_effort(&run) : apply_or_undo(&run);
}
