/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of each process that uses a leaving function: it ends with a unit that stops anyway,
 * its own unit is stopped, it is ended, or it is in the way and named.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "guest.h"
#include "in-use.h"
#include "sessions.h"

#define TEXT_SIZE 340 /* of the holders' names in a refusal; advice follows */

/* --- /proc/PID/cgroup --- */

static bool is_part(const char *part, size_t length, const char *prefix, const char *suffix) {
        size_t before = strlen(prefix), behind = strlen(suffix);

        return length > before + behind && strncmp(part, prefix, before) == 0 &&
               strncmp(part + length - behind, suffix, behind) == 0;
}

static void copy_between(char *ret, size_t size, const char *part, size_t length,
                         const char *prefix, const char *suffix) {
        if (parse_copy(ret, size, part + strlen(prefix), length - strlen(prefix) - strlen(suffix)) <
            0)
                ret[0] = '\0';
}

static void copy_unit(char ret[static CONFIG_UNIT_SIZE], const char *part, size_t length) {
        /* systemd puts '_' before what the kernel could take for a file of its own. */
        bool escaped = length > 0 && part[0] == '_';

        if (parse_copy(ret, CONFIG_UNIT_SIZE, part + escaped, length - escaped) < 0 ||
            !config_unit_is_valid(ret))
                ret[0] = '\0';
}

static void parse_user_unit(const char *path, NodeHolder *ret) {
        while (*path == '/') {
                const char *part = path + 1;
                size_t length = strcspn(part, "/\n");

                path = part + length;
                if (is_part(part, length, "", ".slice"))
                        continue;
                copy_unit(ret->user_unit, part, length);
                return;
        }
}

/*
 * Below slices comes the unit, and below that whatever it made itself. What a user manager has
 * below its own unit is that user's, and in the same order.
 */
static void parse_cgroup_path(const char *path, NodeHolder *ret) {
        while (*path == '/') {
                const char *part = path + 1;
                size_t length = strcspn(part, "/\n");

                path = part + length;
                if (is_part(part, length, "user-", ".slice")) {
                        copy_between(ret->user, sizeof(ret->user), part, length, "user-", ".slice");
                        continue;
                }
                if (is_part(part, length, "", ".slice"))
                        continue;
                if (is_part(part, length, "user@", ".service")) {
                        copy_between(ret->user, sizeof(ret->user), part, length, "user@",
                                     ".service");
                        if (ret->user[0] != '\0')
                                parse_user_unit(path, ret);
                } else if (ret->user[0] != '\0' && is_part(part, length, "session-", ".scope")) {
                        copy_between(ret->session, sizeof(ret->session), part, length, "session-",
                                     ".scope");
                } else {
                        ret->user[0] = '\0';
                        copy_unit(ret->unit, part, length);
                }
                return;
        }
        ret->user[0] = '\0';
}

void in_use_parse_cgroup(const char *text, NodeHolder *ret) {
        ret->unit[0] = ret->session[0] = ret->user[0] = ret->user_unit[0] = '\0';
        for (const char *line = text; line; line = strchr(line, '\n')) {
                const char *path;

                line += *line == '\n';
                /* The one hierarchy of cgroup 2, else systemd's own of cgroup 1. */
                path = strncmp(line, "0::", 3) == 0 ? line + 3 : NULL;
                if (!path && (path = strstr(line, ":name=systemd:")) != NULL)
                        path = memchr(line, '\n', (size_t)(path - line))
                                       ? NULL
                                       : path + strlen(":name=systemd:");
                if (!path)
                        continue;
                parse_cgroup_path(path, ret);
                if (ret->unit[0] != '\0' || ret->user[0] != '\0')
                        return;
        }
}

/* --- in words --- */

typedef struct Text {
        char text[TEXT_SIZE];
        size_t length;
} Text;

/* Adds the whole of it, or nothing. */
_printf_(2, 3) static bool append(Text *text, const char *format, ...) {
        size_t left = sizeof(text->text) - text->length;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(text->text + text->length, left, format, arguments);
        va_end(arguments);
        if (n < 0 || (size_t)n >= left) {
                text->text[text->length] = '\0';
                return false;
        }
        text->length += (size_t)n;
        return true;
}

#define PROCESS_TEXT_SIZE 264

/* @session: of the user, where his manager runs it; NULL: not known */
static const char *format_holder(const NodeHolder *holder, const Session *session,
                                 char buffer[static PROCESS_TEXT_SIZE]) {
        int n = snprintf(buffer, PROCESS_TEXT_SIZE, "process %d (%s)", holder->pid,
                         holder->command);
        char *end = buffer + n;
        size_t left = PROCESS_TEXT_SIZE - (size_t)n;

        if (holder->session[0] != '\0')
                (void)snprintf(end, left, " in session %s of user %s", holder->session,
                               holder->user);
        else if (holder->user[0] != '\0')
                (void)snprintf(end, left, " of user %s%s%s%s%s", holder->user,
                               holder->user_unit[0] ? "'s " : "", holder->user_unit,
                               session ? " in session " : "", session ? session->id : "");
        else if (holder->unit[0] != '\0')
                (void)snprintf(end, left, " of %s", holder->unit);
        return buffer;
}

typedef struct Blocked {
        const InUse *in_use;
        const NodeHolder *list[HOLDERS_MAX];
        size_t n;
        const Session *session; /* that would end; NULL: none */
} Blocked;

/* Each function once, with those that use it. Returns how many there was no room for. */
static size_t name_holders(const Blocked *blocked, const char *verb, Text *text) {
        bool told[HOLDERS_MAX] = { false };
        size_t n_left = 0;

        for (size_t i = 0; i < blocked->n; i++) {
                const char *join = "";

                for (size_t j = i; j < blocked->n; j++) {
                        const NodeHolder *holder = blocked->list[j];
                        char process[PROCESS_TEXT_SIZE], address[PCI_ADDRESS_SIZE];
                        const Session *session = sessions_of_user(blocked->in_use, holder);
                        bool fits;

                        if (told[j] ||
                            pci_address_compare(holder->address, blocked->list[i]->address) != 0)
                                continue;
                        told[j] = true;
                        if (join[0] != '\0')
                                fits = append(text, "%s%s", join,
                                              format_holder(holder, session, process));
                        else
                                fits = append(text, "%s%s %s %s", text->length > 0 ? "; " : "",
                                              pci_address_format(holder->address, address), verb,
                                              format_holder(holder, session, process));
                        if (fits)
                                join = ", ";
                        else
                                n_left++;
                }
        }
        return n_left;
}

static const char *advise(const Blocked *blocked, ConfigHolders how, bool still) {
        const NodeHolder *first = blocked->list[0];

        if (how == CONFIG_HOLDERS_REFUSE)
                return "End it, name its unit in stop-units, or switch with --holders=stop or "
                       "--holders=kill.";
        if (first->is_kept)
                return "That is nothing to be ended from here; it has to let go by itself.";
        if (how == CONFIG_HOLDERS_KILL)
                return "It did not end.";
        if (first->user[0] != '\0')
                return "What a user runs is ended by holders = kill, or by end-sessions = yes with "
                       "its session.";
        return still && first->unit[0] != '\0'
                       ? "It outlived the stop of its unit; holders = kill would end it."
                       : "It belongs to no unit that could be stopped; holders = kill would end it.";
}

/* A process that uses two functions is one. */
static size_t count_processes(const Blocked *blocked) {
        size_t n = 0;

        for (size_t i = 0; i < blocked->n; i++) {
                size_t j = 0;

                while (blocked->list[j]->pid != blocked->list[i]->pid)
                        j++;
                n += j == i;
        }
        return n;
}

static bool is_of_one_function(const Blocked *blocked) {
        for (size_t i = 1; i < blocked->n; i++)
                if (pci_address_compare(blocked->list[i]->address, blocked->list[0]->address) != 0)
                        return false;
        return true;
}

static RefusalKind refuse(const Blocked *blocked, size_t n_more, ConfigHolders how, bool still,
                          Refusal *refusal) {
        const char *verb = still ? "is still in use by" : "is in use by";
        size_t n_processes = count_processes(blocked) + n_more, n_unnamed;
        char address[PCI_ADDRESS_SIZE], more[32] = "", session[SESSION_TEXT_SIZE];
        char then[SESSION_TEXT_SIZE + 128];
        Text text = { .length = 0 };

        n_unnamed = n_more + name_holders(blocked, verb, &text);
        if (n_unnamed > 0)
                (void)snprintf(more, sizeof(more), ", and %zu more", n_unnamed);
        if (blocked->session)
                (void)snprintf(then, sizeof(then),
                               "The switch would end %s; end-sessions = yes allows that.",
                               session_format(blocked->session, session));
        else
                (void)snprintf(then, sizeof(then), "%s", advise(blocked, how, still));
        (void)refusal_set(refusal, REFUSAL_BUSY, "%s%s. %s", text.text, more, then);
        refusal_set_public(refusal, "%s%s %sin use by %zu process%s, not named to everybody. %s",
                           pci_address_format(blocked->list[0]->address, address),
                           is_of_one_function(blocked) ? " is" : " and others are",
                           still ? "still " : "", n_processes, n_processes == 1 ? "" : "es", then);
        return REFUSAL_BUSY;
}

const char *plan_stop_name(PlanStopKind kind) {
        static const char *const names[] = {
                [PLAN_STOP_UNIT] = "stop-unit",     [PLAN_STOP_MANAGER] = "stop-unit",
                [PLAN_END_SESSION] = "end-session", [PLAN_STOP_HOLDER] = "stop-holder",
                [PLAN_KILL_HOLDER] = "kill-holder", [PLAN_END_GUEST] = "end-guest",
        };

        return names[kind];
}

const char *plan_stop_object(const PlanStop *stop, char buffer[static PLAN_STOP_OBJECT_SIZE]) {
        if (stop->kind == PLAN_KILL_HOLDER || stop->kind == PLAN_END_GUEST)
                (void)snprintf(buffer, PLAN_STOP_OBJECT_SIZE, "%d", stop->process.pid);
        else
                (void)snprintf(buffer, PLAN_STOP_OBJECT_SIZE, "%s",
                               stop->kind == PLAN_END_SESSION ? stop->session.id : stop->unit);
        return buffer;
}

const char *plan_stop_format(const PlanStop *stop, char buffer[static PLAN_STOP_TEXT_SIZE]) {
        char address[PCI_ADDRESS_SIZE], session[SESSION_TEXT_SIZE];

        (void)pci_address_format(stop->address, address);
        switch (stop->kind) {
        case PLAN_STOP_UNIT:
                (void)snprintf(buffer, PLAN_STOP_TEXT_SIZE, "stop %s", stop->unit);
                break;
        case PLAN_STOP_MANAGER:
                (void)snprintf(buffer, PLAN_STOP_TEXT_SIZE, "stop %s, the display manager",
                               stop->unit);
                break;
        case PLAN_END_SESSION:
                (void)snprintf(buffer, PLAN_STOP_TEXT_SIZE, "end %s",
                               session_format(&stop->session, session));
                break;
        case PLAN_STOP_HOLDER:
                (void)snprintf(buffer, PLAN_STOP_TEXT_SIZE, "stop %s, which uses %s", stop->unit,
                               address);
                break;
        case PLAN_KILL_HOLDER:
                (void)snprintf(buffer, PLAN_STOP_TEXT_SIZE, "end process %d (%s), which uses %s",
                               stop->process.pid, stop->process.command, address);
                break;
        case PLAN_END_GUEST:
                (void)snprintf(buffer, PLAN_STOP_TEXT_SIZE, "end process %d (%s), which has %s, %s",
                               stop->process.pid, stop->process.command, address,
                               guest_manner(guest_kind(stop->unit)));
                break;
        }
        return buffer;
}

/* --- the plan --- */

bool in_use_takes_from_host(const Plan *plan, const Host *host) {
        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(host, step->address);

                if (step_takes_from_driver(step) && function && !function->on_vfio)
                        return true;
        }
        return false;
}

static bool is_in_words(const char *words, const char *wanted) {
        const char *word;
        size_t length;

        while ((word = parse_word(&words, &length)))
                if (length == strlen(wanted) && strncmp(word, wanted, length) == 0)
                        return true;
        return false;
}

/* Whether it goes with a unit that is stopped anyway. */
static bool ends_anyway(const InUse *in_use, const ConfigMode *mode, const NodeHolder *holder) {
        if (holder->unit[0] == '\0' || holder->is_kept)
                return false;
        for (size_t i = 0; i < mode->n_stop_units; i++)
                if (in_use->running & UINT32_C(1) << i &&
                    (strcmp(in_use->ids[i], holder->unit) == 0 ||
                     strcmp(mode->stop_units[i], holder->unit) == 0))
                        return true;
        for (size_t i = 0; i < DRIVER_UNITS_MAX; i++)
                if (in_use->driver_running & UINT32_C(1) << i &&
                    strcmp(in_use->driver->units[i], holder->unit) == 0)
                        return true;
        return is_in_words(in_use->ending, holder->unit);
}

static bool has_stop(const Plan *plan, const PlanStop *wanted) {
        for (size_t i = 0; i < plan->n_stops; i++)
                if (wanted->kind == PLAN_KILL_HOLDER || wanted->kind == PLAN_END_GUEST
                            ? plan->stops[i].process.pid == wanted->process.pid
                            : strcmp(plan->stops[i].unit, wanted->unit) == 0)
                        return true;
        return false;
}

/* One too many is not forgotten: it is still there when it is looked again. */
static void add_stop(Plan *plan, const PlanStop *stop) {
        if (plan->n_stops < PLAN_STOPS_MAX && !has_stop(plan, stop))
                plan->stops[plan->n_stops++] = *stop;
}

/* Returns false where it is in the way. */
static bool plan_holder(const NodeHolder *holder, ConfigHolders how, Plan *plan) {
        PlanStop stop = { .address = holder->address };

        if (holder->is_kept || how == CONFIG_HOLDERS_REFUSE)
                return false;
        if (holder->unit[0] != '\0') {
                stop.kind = PLAN_STOP_HOLDER;
                (void)memcpy(stop.unit, holder->unit, sizeof(stop.unit));
        } else if (how == CONFIG_HOLDERS_KILL) {
                stop.kind = PLAN_KILL_HOLDER;
                stop.process.pid = holder->pid;
                (void)memcpy(stop.process.command, holder->command, sizeof(stop.process.command));
        } else {
                return false;
        }
        add_stop(plan, &stop);
        return true;
}

static void plan_units(const InUse *in_use, const ConfigMode *mode, Plan *plan) {
        for (size_t i = 0; i < mode->n_stop_units; i++) {
                PlanStop stop = { .kind = PLAN_STOP_UNIT };

                /* The display manager is stopped already where sessions end, by its other name. */
                if (!(in_use->running & UINT32_C(1) << i) ||
                    (mode->end_sessions && in_use->sessions.is_known &&
                     strcmp(in_use->ids[i], in_use->sessions.manager) == 0))
                        continue;
                (void)memcpy(stop.unit, mode->stop_units[i], sizeof(stop.unit));
                add_stop(plan, &stop);
        }
        /* They are started again when the function is back, whatever the mode. */
        for (size_t i = 0; i < DRIVER_UNITS_MAX; i++) {
                PlanStop stop = { .kind = PLAN_STOP_HOLDER, .address = in_use->driver_of };

                if (!(in_use->driver_running & UINT32_C(1) << i))
                        continue;
                (void)snprintf(stop.unit, sizeof(stop.unit), "%s", in_use->driver->units[i]);
                add_stop(plan, &stop);
        }
}

/* What holds the device and runs us, or the system, cannot be ended from here. */
static RefusalKind plan_guests(const InUse *in_use, const ConfigMode *mode, Plan *plan,
                               Refusal *refusal) {
        Blocked blocked = { .in_use = in_use };

        for (size_t i = 0; i < in_use->guests.n; i++) {
                const NodeHolder *guest = &in_use->guests.list[i];
                PlanStop stop = { .kind = PLAN_END_GUEST, .address = guest->address };

                if (ends_anyway(in_use, mode, guest))
                        continue;
                if (guest->is_kept) {
                        blocked.list[blocked.n++] = guest;
                        continue;
                }
                stop.process.pid = guest->pid;
                (void)memcpy(stop.process.command, guest->command, sizeof(stop.process.command));
                (void)memcpy(stop.unit, guest->unit, sizeof(stop.unit));
                add_stop(plan, &stop);
        }
        return blocked.n == 0 ? REFUSAL_NONE
                              : refuse(&blocked, in_use->guests.n_more, CONFIG_HOLDERS_KILL, false,
                                       refusal);
}

/*
 * systemd-logind has what a session's compositor has, and lets go when that does: alone it is in
 * the way, but not where somebody else is to end.
 */
RefusalKind in_use_plan(const InUse *in_use, const ConfigMode *mode, ConfigHolders how,
                        bool is_fallback, Plan *plan, Refusal *refusal) {
        Blocked blocked = { .in_use = in_use };
        bool only_kept = true, some_end;
        RefusalKind kind;
        size_t n_guests;

        plan->n_stops = 0;
        if (plan_guests(in_use, mode, plan, refusal) != REFUSAL_NONE)
                return REFUSAL_BUSY;
        n_guests = plan->n_stops;
        if (is_fallback) {
                plan_units(in_use, mode, plan);
                return REFUSAL_NONE;
        }
        kind = sessions_plan(in_use, mode, plan, refusal);
        if (kind != REFUSAL_NONE)
                return kind;
        some_end = plan->n_stops > n_guests;
        plan_units(in_use, mode, plan);
        for (size_t i = 0; i < in_use->holders.n; i++) {
                const NodeHolder *holder = &in_use->holders.list[i];
                const Session *at_stake = sessions_at_stake(in_use, mode, holder);

                if (ends_anyway(in_use, mode, holder) ||
                    sessions_end_holder(in_use, mode, holder) ||
                    (!at_stake && plan_holder(holder, how, plan))) {
                        some_end = true;
                        continue;
                }
                if (at_stake)
                        blocked.session = at_stake;
                only_kept &= holder->is_kept;
                blocked.list[blocked.n++] = holder;
        }
        if (blocked.n == 0 || (only_kept && some_end))
                return REFUSAL_NONE;
        return refuse(&blocked, in_use->holders.n_more, how, false, refusal);
}

RefusalKind in_use_refuse_rest(const InUse *in_use, ConfigHolders how, Refusal *refusal) {
        Blocked blocked = { .in_use = in_use };

        for (size_t i = 0; i < in_use->holders.n; i++)
                blocked.list[blocked.n++] = &in_use->holders.list[i];
        return blocked.n == 0 ? REFUSAL_NONE
                              : refuse(&blocked, in_use->holders.n_more, how, true, refusal);
}
