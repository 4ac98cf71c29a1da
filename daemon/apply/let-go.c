/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First it is looked who is in the way, which may still be refused; then they are stopped and
 * ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "end-sessions.h"
#include "host/command.h"
#include "host/units.h"
#include "let-go.h"
#include "model/sessions.h"
#include "notify.h"
#include "processes.h"
#include "verdict.h"

#define PATIENCE (3 * SEC)      /* for who lets go by itself */
#define KILL_PATIENCE (8 * SEC) /* in all, for who is asked to end */
#define BOUND_PATIENCE (1200 * SEC)
#define INTERVAL (200 * MSEC) /* between looks: nothing tells that a node was closed */

/* --- processes --- */

static void end_holders(Targets *targets, const Holders *holders, const Plan *plan, bool kills) {
        for (size_t i = 0; i < holders->n; i++) {
                const NodeHolder *holder = &holders->list[i];
                Target *target = targets_find(targets, holder->pid);

                if (target && !holder->is_kept && (kills || sessions_leave_behind(plan, holder)))
                        target_end(target, holder);
        }
}

/* --- the plan --- */

static RefusalKind refuse_to_look(int error, Refusal *refusal) {
        return refusal_set(refusal, REFUSAL_FAILED,
                           "Processes and units that use the devices cannot be looked for: %s.",
                           strerror(-error));
}

bool let_go_is_to_be_stopped(const Situation *now, const UnitInstance *instance) {
        return strcmp(instance->mode, now->mode) != 0 &&
               strcmp(instance->active_state, "active") == 0;
}

void let_go_wait_longer(const char *mode) {
        char units[512], text[640];
        int length;

        length = units_dependents(mode, units, sizeof(units));
        if (length == 0)
                return;
        notify_extend_timeout(BOUND_PATIENCE);
        if (length < 0)
                return;
        (void)snprintf(text, sizeof(text),
                       "Waiting for the units that are bound to mode '%s' to stop: %s", mode,
                       units);
        notify_status(text);
}

/* Asked only where somebody is there who may end with it. Who is not known to would be in the way,
 * and be killed where that was asked for. */
static int list_ending(LetGo *who, const UnitInstance *instances, int n) {
        char *to = who->in_use.ending;
        size_t left = sizeof(who->in_use.ending);
        int r = 0;

        if (who->in_use.holders.n + who->in_use.guests.n == 0 || to[0] != '\0')
                return 0;
        for (int i = 0; i < n; i++) {
                int length;

                if (!let_go_is_to_be_stopped(who->now, &instances[i]))
                        continue;
                if (to > who->in_use.ending && left > 1) {
                        *to++ = ' ';
                        left--;
                }
                length = units_dependents(instances[i].mode, to, left);
                if (length < 0) {
                        r = length;
                        *to = '\0';
                        continue;
                }
                to += length;
                left -= (size_t)length;
        }
        return r;
}

static const ConfigMode *mode_of(const LetGo *who) {
        return config_find_mode(&who->now->config, who->now->mode);
}

static RefusalKind plan_patiently(LetGo *who, const UnitInstance *instances, int n_instances,
                                  Plan *plan, Refusal *refusal) {
        _cleanup_(targets_done) Targets targets = { .n = 0 };
        uint64_t deadline = now_usec() + PATIENCE;
        const Situation *now = who->now;

        for (;;) {
                RefusalKind kind;
                int r;

                r = in_use_look(now->root, &now->host, plan, mode_of(who), &who->in_use);
                if (r >= 0 || now->is_fallback)
                        r = list_ending(who, instances, n_instances);
                if (r < 0 && !now->is_fallback)
                        return refuse_to_look(r, refusal);
                kind = in_use_plan(&who->in_use, mode_of(who), who->how, now->is_fallback, plan,
                                   refusal);
                if (kind != REFUSAL_BUSY || now_usec() >= deadline)
                        return kind;
                (void)targets_watch(&targets, &who->in_use.holders);
                targets_wait(&targets, INTERVAL);
        }
}

static void mark_held(LetGo *who) {
        Host *host = &who->now->host;
        const Holders *holders = &who->in_use.holders;

        for (size_t i = 0; i < host->n_functions; i++)
                for (size_t j = 0; j < holders->n; j++)
                        host->functions[i].is_held |=
                                pci_address_compare(host->functions[i].address,
                                                    holders->list[j].address) == 0;
}

RefusalKind let_go_plan(LetGo *who, const UnitInstance *instances, int n_instances, Plan *plan,
                        Refusal *refusal) {
        RefusalKind kind;

        who->in_use.ending[0] = '\0';
        /* What came back and has to be bound again is nobody's leave to end a session. */
        who->in_use.sessions = (Sessions){ .is_known = who->now->mend_only };
        kind = plan_patiently(who, instances, n_instances, plan, refusal);
        if (!who->now->is_fallback || who->in_use.holders.n == 0)
                return kind;
        mark_held(who);
        kind = situation_plan(who->now, plan, refusal);
        return kind == REFUSAL_NONE ? plan_patiently(who, instances, n_instances, plan, refusal)
                                    : kind;
}

/* --- letting go --- */

static RefusalKind stop_unit(const LetGo *who, const PlanStop *stop, UndoLog *undo,
                             Refusal *refusal) {
        StoppedUnit unit = { .is_holder = stop->kind == PLAN_STOP_HOLDER || stop->for_good,
                             .address = stop->address };
        int r;

        (void)memcpy(unit.name, stop->unit, sizeof(unit.name));
        r = undo_log_add_unit(undo, &unit);
        if (r < 0 && !who->now->is_fallback)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "That %s is to be stopped cannot be noted: %s.", stop->unit,
                                   strerror(-r));
        /* A unit that fails while it stops has stopped. */
        if (units_stop_service(stop->unit) >= 0 || !units_may_run(stop->unit))
                return REFUSAL_NONE;
        (void)refusal_set(refusal, REFUSAL_FAILED, "%s cannot be stopped; see: systemctl status %s",
                          stop->unit, stop->unit);
        if (!who->now->is_fallback)
                return REFUSAL_FAILED;
        log_warning("%s", refusal->text);
        return REFUSAL_NONE;
}

static bool ends_sessions(const Plan *plan) {
        for (size_t i = 0; i < plan->n_stops; i++)
                if (plan->stops[i].kind == PLAN_END_SESSION)
                        return true;
        return false;
}

static RefusalKind wait_until_free(LetGo *who, const Plan *plan, Refusal *refusal) {
        _cleanup_(targets_done) Targets targets = { .n = 0 };
        const Holders *holders = &who->in_use.holders;
        bool kills = who->how == CONFIG_HOLDERS_KILL, ends = kills || ends_sessions(plan);
        uint64_t deadline = now_usec() + (ends ? KILL_PATIENCE : PATIENCE);

        for (;;) {
                unsigned n_new;
                int r;

                r = in_use_look(who->now->root, &who->now->host, plan, NULL, &who->in_use);
                if (r < 0)
                        return refuse_to_look(r, refusal);
                if (holders->n == 0)
                        return REFUSAL_NONE;
                if (now_usec() >= deadline)
                        return in_use_refuse_rest(&who->in_use, who->how, refusal);
                if (ends)
                        end_holders(&targets, holders, plan, kills);
                n_new = targets_watch(&targets, holders);
                if (n_new == 0 || !ends)
                        targets_wait(&targets, INTERVAL);
        }
}

RefusalKind let_go(LetGo *who, const Plan *plan, UndoLog *undo, Refusal *refusal) {
        RefusalKind kind = REFUSAL_NONE;

        for (size_t i = 0; kind == REFUSAL_NONE && i < plan->n_stops; i++) {
                const PlanStop *stop = &plan->stops[i];
                char text[PLAN_STOP_TEXT_SIZE];

                log_info("%s", plan_stop_format(stop, text));
                if (stop->kind == PLAN_END_SESSION)
                        end_sessions_ask(stop);
                else if (stop->kind != PLAN_KILL_HOLDER && stop->kind != PLAN_END_GUEST)
                        kind = stop_unit(who, stop, undo, refusal);
        }
        if (kind != REFUSAL_NONE || who->now->is_fallback || who->now->early)
                return kind;
        /* Also where nobody had to go: between the first look and now a guest may have taken its
         * time to end, and pages their time to be found. */
        kind = end_sessions_wait(plan, refusal);
        return kind == REFUSAL_NONE ? wait_until_free(who, plan, refusal) : kind;
}

/* Whose start nobody queues now is forgotten with the switch: not given up at the first error. */
static int queue_surely(const char *unit) {
        int r = units_queue_service(unit);

        return r < 0 ? units_queue_service(unit) : r;
}

void let_go_start_again(const Root *root, const RunState *stopped,
                        bool (*stays)(const StoppedUnit *unit, const void *userdata),
                        const void *userdata) {
        for (size_t i = stopped->n_units; i > 0; i--) {
                const StoppedUnit *unit = &stopped->units[i - 1];

                if (stays(unit, userdata))
                        continue;
                log_info("start %s again", unit->name);
                if (queue_surely(unit->name) < 0)
                        log_warning("%s, which was stopped for the switch, cannot be started "
                                    "again.",
                                    unit->name);
                else
                        verdict_arm(root, unit->name);
        }
}

void let_go_plymouth(const Situation *now, const Plan *plan) {
        static const char *const arguments[] = { "plymouth", "quit", NULL };

        for (size_t i = 0; now->root->is_live && i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(&now->host, step->address);

                if (!step_takes_from_driver(step) || !function || !function_is_display(function))
                        continue;
                if (command_run(arguments, NULL, 0) == 0)
                        log_info("plymouth was told to let go of the screen.");
                return;
        }
}
