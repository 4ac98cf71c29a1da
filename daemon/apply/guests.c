/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virsh and qm are run by systemd and not by us: they write where our sandbox does not let them,
 * and one that hangs is nobody's child. Nothing tells that a node was closed by somebody who lives
 * on, so it is looked again every second.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "guests.h"
#include "host/command.h"
#include "host/holders.h"
#include "host/in-use.h"
#include "host/units.h"
#include "model/guest.h"
#include "model/switch-origin.h"
#include "notify.h"
#include "processes.h"

#define INTERVAL SEC
#define KILL_PATIENCE (30 * SEC) /* for the kernel to take a killed guest's memory apart */
#define CLOSING_PATIENCE (10 * SEC)
#define CLOSING_INTERVAL (SEC / 20) /* of which the kernel tells nobody */
#define SWITCH_TIME (60 * SEC)      /* what the service manager grants for the rest, at least */
#define CMDLINE_MAX (256 * 1024)

typedef struct Ending {
        const Situation *now;
        PciAddress functions[HOST_FUNCTIONS_MAX]; /* that are taken from vfio-pci */
        size_t n_functions;
        Holders holders;
        Targets targets;
        uint32_t stop_vm;
        uint64_t deadline; /* of the orderly way */
} Ending;

static void ending_free(Ending **ending) {
        if (*ending)
                targets_done(&(*ending)->targets);
        free(*ending);
}

bool guests_may_be_ended(const Situation *now, const char *source) {
        return !now->early && !now->mend_only && !switch_source_is_vm(source) &&
               (guest_may_be_ended(&now->state, now->mode) || strcmp(source, SOURCE_FALLBACK) == 0);
}

static void list_functions(Ending *e, const Plan *plan) {
        const Host *host = &e->now->host;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const Function *function = host_find(host, plan->steps[i].address);

                if (plan->steps[i].kind == STEP_UNBIND && function && function->on_vfio)
                        e->functions[e->n_functions++] = function->address;
        }
}

/* --- asking --- */

/* Outside of our sandbox, with an end of its own, and without waiting for it. */
static int run_apart(const char *const command[static 5]) {
        const char *arguments[] = { "systemd-run",
                                    "--quiet",
                                    "--no-block",
                                    "--collect",
                                    "--description=Shut down a guest (vfio-mode)",
                                    "--property=DefaultDependencies=no",
                                    "--property=RuntimeMaxSec=15min",
                                    "--",
                                    command[0],
                                    command[1],
                                    command[2],
                                    command[3],
                                    command[4],
                                    NULL };
        int r;

        r = command_run(arguments, NULL, 0);
        return r > 0 ? -EIO : r;
}

static bool find_id(const Ending *e, const NodeHolder *guest, char ret[static GUEST_ID_SIZE]) {
        _cleanup_free_ char *cmdline = NULL;
        char path[64];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "proc/%d/cmdline", guest->pid);
        n = file_read_alloc_at(e->now->root->fd, path, CMDLINE_MAX, &cmdline);
        return guest_id(guest->unit, n < 0 ? "" : cmdline, n < 0 ? 0 : (size_t)n, ret);
}

static int ask_in_order(const Ending *e, const NodeHolder *guest) {
        char id[GUEST_ID_SIZE], seconds[16];

        (void)snprintf(seconds, sizeof(seconds), "%" PRIu32, e->stop_vm);
        switch (guest_kind(guest->unit)) {
        case GUEST_SERVICE:
                return units_queue_stop(guest->unit);
        case GUEST_LIBVIRT:
                if (!find_id(e, guest, id))
                        return -ENOENT;
                return run_apart((const char *const[5]){ "virsh", "--connect", "qemu:///system",
                                                         "shutdown", id });
        case GUEST_PROXMOX:
                if (!find_id(e, guest, id))
                        return -ENOENT;
                return run_apart(
                        (const char *const[5]){ "qm", "shutdown", id, "--timeout", seconds });
        case GUEST_PROCESS:
                break;
        }
        return -ENOENT;
}

/* Whoever cannot be asked in order would only lose time by waiting for nothing. */
static void ask(const Ending *e, Target *target, NodeHolder *guest) {
        char text[384];

        in_use_find_unit(guest);
        target->is_told = true;
        (void)snprintf(text, sizeof(text),
                       "Waiting for a guest%s%s to end, which has the device; in %" PRIu32
                       " s it is ended.",
                       guest->unit[0] != '\0' ? " of " : "", guest->unit, e->stop_vm);
        notify_status(text);
        if (ask_in_order(e, guest) >= 0)
                log_notice("Ending process %d (%s) %s.", guest->pid, guest->command,
                           guest_manner(guest_kind(guest->unit)));
        else
                target_end(target, guest);
}

/* --- waiting --- */

/* SIGTERM may have been the way of asking; once the time is up it is said again before SIGKILL. */
static void act(Ending *e) {
        bool is_late = now_usec() >= e->deadline;

        for (size_t i = 0; i < e->holders.n; i++) {
                NodeHolder *guest = &e->holders.list[i];
                Target *target = targets_find(&e->targets, guest->pid);

                if (!target || guest->is_kept)
                        continue;
                if (!target->is_told) {
                        ask(e, target, guest);
                        continue;
                }
                if (!is_late)
                        continue;
                if (target->asked_at < e->deadline)
                        target->asked_at = 0;
                target_end(target, guest);
        }
}

/* When something is to be done, if nobody ends before. */
static uint64_t time_to_wait(const Ending *e) {
        uint64_t now = now_usec();

        return now < e->deadline && e->deadline - now < INTERVAL ? e->deadline - now : INTERVAL;
}

/* Those that are never ended are only given the time to end by themselves. */
static bool is_over(const Ending *e, uint64_t end) {
        uint64_t now = now_usec();

        for (size_t i = 0; i < e->holders.n && now >= e->deadline; i++)
                if (!e->holders.list[i].is_kept)
                        return now >= end;
        return e->holders.n == 0 || now >= e->deadline;
}

/* Whoever exits is not seen any more before it has closed all, which takes a while of a guest's
 * memory. */
static bool is_closed(const Ending *e) {
        for (size_t i = 0; i < e->n_functions; i++) {
                const Function *function = host_find(&e->now->host, e->functions[i]);
                Holder holder;

                if (function && holders_find_vfio_of(e->now->root, function, &holder) >= 0 &&
                    holder.pid == HOLDER_UNSEEN)
                        return false;
        }
        return true;
}

static void await_closing(Ending *e) {
        uint64_t end = now_usec() + CLOSING_PATIENCE;

        while (e->holders.n == 0 && !is_closed(e) && now_usec() < end)
                targets_wait(&e->targets, CLOSING_INTERVAL);
}

static RefusalKind end_all(Ending *e, Refusal *refusal) {
        const Situation *now = e->now;
        uint64_t end = e->deadline + TERM_PATIENCE + KILL_PATIENCE;

        notify_extend_timeout(end - now_usec() + SWITCH_TIME);
        for (;;) {
                unsigned n_new;
                int r;

                r = holders_find(now->root, &now->host, e->functions, e->n_functions, &e->holders);
                if (r < 0)
                        return refusal_set(refusal, REFUSAL_FAILED,
                                           "Processes using VFIO cannot be looked for: %s.",
                                           strerror(-r));
                if (is_over(e, end)) {
                        await_closing(e);
                        return REFUSAL_NONE;
                }
                n_new = targets_watch(&e->targets, &e->holders);
                if (n_new > 0)
                        continue;
                act(e);
                targets_wait(&e->targets, time_to_wait(e));
        }
}

static bool has_holder(const Situation *now) {
        for (size_t i = 0; i < now->host.n_functions; i++)
                if (now->host.functions[i].holder.pid != 0)
                        return true;
        return false;
}

RefusalKind guests_end(const Situation *now, const Plan *plan, bool *ret_had_guests,
                       Refusal *refusal) {
        _cleanup_(ending_free) Ending *e = calloc(1, sizeof(*e));
        const ConfigMode *left = config_find_mode(&now->config, guest_left_mode(&now->state));

        *ret_had_guests = has_holder(now);
        if (!*ret_had_guests)
                return REFUSAL_NONE;
        if (!e)
                return refusal_set(refusal, REFUSAL_FAILED, "Out of memory.");
        e->now = now;
        e->stop_vm = config_stop_vm(left);
        e->deadline = now_usec() + e->stop_vm * SEC;
        list_functions(e, plan);
        return end_all(e, refusal);
}
