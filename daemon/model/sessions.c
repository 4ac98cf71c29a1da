/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compositor is found in its session's scope, or below the manager of its user, as GNOME's and
 * KDE's are; there the process says only whose it is, so it counts for that user's session on the
 * seat, the graphical one first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "sessions.h"

const char *session_format(const Session *session, char buffer[static SESSION_TEXT_SIZE]) {
        (void)snprintf(buffer, SESSION_TEXT_SIZE, "%ssession %s of %s on %s",
                       session->is_greeter ? "the greeter's " : "", session->id, session->user,
                       session->seat[0] != '\0' ? session->seat : "no seat");
        return buffer;
}

/* Each has services that begin with its name: lightdm-greeter, sddm-autologin. */
bool session_service_is_of(const char *service, const char *manager) {
        size_t length = strcspn(manager, ".");

        return length > 0 && strncmp(service, manager, length) == 0 &&
               (service[length] == '\0' || service[length] == '-');
}

static const Session *session_of(const Sessions *sessions, const NodeHolder *holder) {
        const Session *found = NULL;

        if (holder->user[0] == '\0')
                return NULL;
        for (size_t i = 0; i < sessions->n; i++) {
                const Session *session = &sessions->list[i];

                if (strcmp(session->user, holder->user) != 0 ||
                    (holder->session[0] != '\0' && strcmp(session->id, holder->session) != 0))
                        continue;
                if (!found || (session->is_graphical && !found->is_graphical))
                        found = session;
        }
        return found;
}

const Session *sessions_of_user(const InUse *in_use, const NodeHolder *holder) {
        const Session *session;

        if (!in_use->sessions.is_known || holder->user[0] == '\0' || holder->session[0] != '\0')
                return NULL;
        session = session_of(&in_use->sessions, holder);
        return session && session->is_graphical ? session : NULL;
}

static bool counts(const InUse *in_use, const Session *session) {
        if (session->is_graphical || session->is_of_manager)
                return true;
        for (size_t i = 0; i < in_use->holders.n; i++)
                if (in_use->holders.list[i].draws &&
                    session_of(&in_use->sessions, &in_use->holders.list[i]) == session)
                        return true;
        return false;
}

static const Session *person(const InUse *in_use) {
        const Sessions *sessions = &in_use->sessions;

        for (size_t i = 0; i < sessions->n; i++)
                if (!sessions->list[i].is_greeter && counts(in_use, &sessions->list[i]))
                        return &sessions->list[i];
        return NULL;
}

static bool is_manager(const InUse *in_use, const char *unit) {
        return unit[0] != '\0' && strcmp(unit, in_use->sessions.manager) == 0;
}

bool sessions_end_holder(const InUse *in_use, const ConfigMode *mode, const NodeHolder *holder) {
        const Session *session;

        if (!mode->end_sessions || !in_use->sessions.is_known || holder->is_kept)
                return false;
        if (is_manager(in_use, holder->unit))
                return true;
        session = session_of(&in_use->sessions, holder);
        return session && counts(in_use, session);
}

const Session *sessions_at_stake(const InUse *in_use, const ConfigMode *mode,
                                 const NodeHolder *holder) {
        if (mode->end_sessions || !in_use->sessions.is_known)
                return NULL;
        if (holder->draws && holder->user[0] != '\0')
                return session_of(&in_use->sessions, holder);
        return is_manager(in_use, holder->unit) ? person(in_use) : NULL;
}

/* --- the plan --- */

static RefusalKind check_stop_units(const InUse *in_use, const ConfigMode *mode, Refusal *refusal) {
        const Session *session = person(in_use);
        char text[SESSION_TEXT_SIZE];

        for (size_t i = 0; session && i < mode->n_stop_units; i++)
                if (in_use->running & UINT32_C(1) << i && is_manager(in_use, in_use->ids[i]))
                        return refusal_set(refusal, REFUSAL_BUSY,
                                           "Stopping %s, which is in stop-units, would end %s; "
                                           "end-sessions = yes allows that.",
                                           in_use->ids[i], session_format(session, text));
        return REFUSAL_NONE;
}

static void add(Plan *plan, const PlanStop *stop) {
        if (plan->n_stops < PLAN_STOPS_MAX)
                plan->stops[plan->n_stops++] = *stop;
}

static void add_ends(const InUse *in_use, Plan *plan) {
        const Sessions *sessions = &in_use->sessions;
        PlanStop manager = { .kind = PLAN_STOP_MANAGER,
                             .address = sessions->display,
                             .for_good = !sessions->has_other_screen };

        (void)memcpy(manager.unit, sessions->manager, sizeof(manager.unit));
        if (manager.unit[0] != '\0')
                add(plan, &manager);
        for (size_t i = 0; i < sessions->n; i++)
                if (counts(in_use, &sessions->list[i]))
                        add(plan, &(PlanStop){ .kind = PLAN_END_SESSION,
                                               .address = sessions->display,
                                               .session = sessions->list[i] });
}

RefusalKind sessions_plan(const InUse *in_use, const ConfigMode *mode, Plan *plan,
                          Refusal *refusal) {
        const Sessions *sessions = &in_use->sessions;
        const Inhibitor *inhibitor = &sessions->inhibitor;
        const Session *session;
        char text[SESSION_TEXT_SIZE];

        if (!sessions->is_known)
                return REFUSAL_NONE;
        if (!mode->end_sessions)
                return check_stop_units(in_use, mode, refusal);
        session = person(in_use);
        if (session && inhibitor->who[0] != '\0')
                return refusal_set(refusal, REFUSAL_INHIBITED,
                                   "%s (process %u) inhibits %s: %s. The switch would end %s. Let "
                                   "it finish, or end it.",
                                   inhibitor->who, inhibitor->pid, inhibitor->what, inhibitor->why,
                                   session_format(session, text));
        add_ends(in_use, plan);
        return REFUSAL_NONE;
}

bool sessions_leave_behind(const Plan *plan, const NodeHolder *holder) {
        bool is_users = false;

        if (holder->is_kept || holder->user[0] == '\0')
                return false;
        for (size_t i = 0; i < plan->n_stops; i++) {
                const PlanStop *stop = &plan->stops[i];

                if (stop->kind != PLAN_END_SESSION || strcmp(stop->session.user, holder->user) != 0)
                        continue;
                is_users |= holder->session[0] == '\0' ||
                            strcmp(stop->session.id, holder->session) == 0;
        }
        return is_users;
}

/* --- ListInhibitors, a(ssssuu): what, who, why, mode, uid, pid --- */

/* One byte, or one character of UTF-8, whose further bytes are passed over; escapes are C's. */
static int take_byte(const char **cursor, char *ret) {
        const char *at = *cursor;
        unsigned value = (unsigned char)*at++;

        if (value == '\\' && *at >= '0' && *at <= '3' && at[1] >= '0' && at[1] <= '7' &&
            at[2] >= '0' && at[2] <= '7') {
                value = (unsigned)((at[0] - '0') * 64 + (at[1] - '0') * 8 + at[2] - '0');
                at += 3;
        } else if (value == '\\') {
                if (*at == '\0')
                        return -EBADMSG;
                value = *at == '"' || *at == '\\' || *at == '\'' ? (unsigned char)*at : ' ';
                at++;
        }
        *cursor = at;
        if ((value & 0xc0u) == 0x80u)
                return 0;
        *ret = value >= ' ' && value < 0x7f ? (char)value : '?';
        return 1;
}

static int take_string(const char **cursor, char *ret, size_t size) {
        const char *at = *cursor + strspn(*cursor, " \n");
        size_t n = 0;

        if (*at++ != '"')
                return -EBADMSG;
        while (*at != '"') {
                char byte = 0;
                int r;

                if (*at == '\0')
                        return -EBADMSG;
                r = take_byte(&at, &byte);
                if (r < 0)
                        return r;
                if (r > 0 && n < size - 1)
                        ret[n++] = byte;
        }
        ret[n] = '\0';
        *cursor = at + 1;
        return 0;
}

static int take_number(const char **cursor, uint64_t *ret) {
        char text[16];
        const char *word;
        size_t length;

        word = parse_word(cursor, &length);
        if (!word || parse_copy(text, sizeof(text), word, length) < 0)
                return -EBADMSG;
        return parse_decimal(text, UINT32_MAX, ret) < 0 ? -EBADMSG : 0;
}

static int take_inhibitor(const char **cursor, Inhibitor *ret, char mode[static 16]) {
        uint64_t uid, pid = 0;
        int r;

        r = take_string(cursor, ret->what, sizeof(ret->what));
        if (r >= 0)
                r = take_string(cursor, ret->who, sizeof(ret->who));
        if (r >= 0)
                r = take_string(cursor, ret->why, sizeof(ret->why));
        if (r >= 0)
                r = take_string(cursor, mode, 16);
        if (r >= 0)
                r = take_number(cursor, &uid);
        if (r >= 0)
                r = take_number(cursor, &pid);
        ret->pid = (unsigned)pid;
        return r;
}

static bool is_protective(const char *what) {
        static const char *const locks[] = { "shutdown", "sleep" };

        for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
                const char *found = strstr(what, locks[i]);
                size_t length = strlen(locks[i]);

                if (found && (found == what || found[-1] == ':') &&
                    (found[length] == '\0' || found[length] == ':'))
                        return true;
        }
        return false;
}

int inhibitors_parse(const char *text, Inhibitor *ret) {
        uint64_t n = 0;

        ret->who[0] = '\0';
        text += strspn(text, " ");
        if (strncmp(text, "a(ssssuu) ", strlen("a(ssssuu) ")) != 0)
                return -EBADMSG;
        text += strlen("a(ssssuu)");
        if (take_number(&text, &n) < 0)
                return -EBADMSG;
        for (uint64_t i = 0; i < n; i++) {
                Inhibitor next;
                char mode[16];

                if (take_inhibitor(&text, &next, mode) < 0)
                        return -EBADMSG;
                if (strcmp(mode, "block") != 0 || !is_protective(next.what) ||
                    strcmp(next.who, INHIBITOR_OURS) == 0)
                        continue;
                if (next.who[0] == '\0')
                        (void)snprintf(next.who, sizeof(next.who), "Somebody");
                *ret = next;
                return 0;
        }
        return 0;
}
