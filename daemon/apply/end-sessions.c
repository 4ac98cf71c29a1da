/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loginctl(1) asks logind, which stops the session's scope.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "end-sessions.h"
#include "host/command.h"
#include "host/login.h"
#include "host/units.h"
#include "model/sessions.h"

#define SEC UINT64_C(1000000)
#define PATIENCE (10 * SEC)
#define KILL_PATIENCE (5 * SEC)

/* It ends with the display manager most often, and then there is none of that name. */
static void tell_logind(const char *verb, const char *option, const PlanStop *stop) {
        const char *const arguments[] = { "loginctl", verb, option, stop->session.id, NULL };
        int r;

        r = command_run(arguments, NULL, 0);
        /* Killed is only who was asked to end: not given up at the first error. */
        if (r < 0)
                r = command_run(arguments, NULL, 0);
        if (r < 0)
                log_warning_errno(r, "loginctl cannot be run: %m");
}

void end_sessions_ask(const PlanStop *stop) {
        tell_logind("terminate-session", "--no-ask-password", stop);
}

static size_t list(const Plan *plan, const char *ret[static SESSIONS_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < plan->n_stops && n < SESSIONS_MAX; i++)
                if (plan->stops[i].kind == PLAN_END_SESSION)
                        ret[n++] = plan->stops[i].session.id;
        return n;
}

static RefusalKind refuse_stubborn(const Plan *plan, Refusal *refusal) {
        char text[SESSION_TEXT_SIZE];

        for (size_t i = 0; i < plan->n_stops; i++) {
                const char *id = plan->stops[i].session.id;

                if (plan->stops[i].kind == PLAN_END_SESSION && login_wait(&id, 1, 0) < 0)
                        return refusal_set(refusal, REFUSAL_BUSY,
                                           "%s does not end; see: loginctl session-status %s",
                                           session_format(&plan->stops[i].session, text), id);
        }
        return REFUSAL_NONE;
}

static void stop_user_managers(const Plan *plan) {
        for (size_t i = 0; i < plan->n_stops; i++) {
                const Session *session = &plan->stops[i].session;
                char unit[CONFIG_UNIT_SIZE];

                if (plan->stops[i].kind != PLAN_END_SESSION || !login_is_closing(session->uid))
                        continue;
                (void)snprintf(unit, sizeof(unit), "user@%u.service", session->uid);
                if (units_queue_stop(unit) < 0)
                        log_warning("%s cannot be stopped.", unit);
        }
}

RefusalKind end_sessions_wait(const Plan *plan, Refusal *refusal) {
        const char *ids[SESSIONS_MAX];
        size_t n = list(plan, ids);
        int r;

        if (n == 0)
                return REFUSAL_NONE;
        r = login_wait(ids, n, PATIENCE);
        if (r == -ETIMEDOUT) {
                log_notice("Sessions do not end when asked to; killing them.");
                for (size_t i = 0; i < plan->n_stops; i++)
                        if (plan->stops[i].kind == PLAN_END_SESSION)
                                tell_logind("kill-session", "--signal=KILL", &plan->stops[i]);
                r = login_wait(ids, n, KILL_PATIENCE);
        }
        if (r < 0 && r != -ETIMEDOUT)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The end of sessions cannot be waited for: %s.", strerror(-r));
        if (r < 0 && refuse_stubborn(plan, refusal) != REFUSAL_NONE)
                return REFUSAL_BUSY;
        stop_user_managers(plan);
        return REFUSAL_NONE;
}
