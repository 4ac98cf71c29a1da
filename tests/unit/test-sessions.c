/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sessions a switch ends, which it may not, and who objects: pure, on seats made of words. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/sessions.h"
#include "table.h"

#define GPU { 0, 1, 0, 0 }
#define AUDIO { 0, 1, 0, 1 }

/* What they hold, and who they are: pid, command, unit, session, user, is_kept, draws, user_unit.
 */
#define WESTON { GPU, 812, "weston", "", "", "anna", false, true, "weston.service" }
#define GAME { GPU, 820, "game", "", "3", "anna", false, false, "" }
#define XORG { GPU, 700, "Xorg", "lightdm.service", "", "", false, true, "" }
#define SWAY { GPU, 900, "sway", "", "5", "ben", false, true, "" }
#define PLAYER { AUDIO, 901, "mpv", "", "8", "anna", false, false, "" }
#define GREETER { GPU, 710, "gnome-shell", "", "c1", "gdm", false, true, "" }
#define LOGIND { GPU, 600, "systemd-logind", "systemd-logind.service", "", "", true, true, "" }

#define DESKTOP { "3", "anna", 1000, "seat0", true, false, false }
#define TEXT { "5", "ben", 1001, "seat0", false, false, false }
#define TEXT_TOO { "4", "anna", 1000, "seat0", false, false, false }
#define ELSEWHERE { "9", "carla", 1002, "seat1", true, false, true }
#define SHELL { "6", "ben", 1001, "seat0", false, false, true }
#define LOGIN_SCREEN { "c1", "gdm", 113, "seat0", true, true, false }

#define INHIBITED { "anna's editor", "Unsaved work", "shutdown:sleep", 555 }

typedef struct Row {
        const char *title;
        NodeHolder holders[4];
        Session sessions[3];
        const char *manager; /* the display manager that runs */
        Inhibitor inhibitor;
        bool end_sessions;
        ConfigHolders how;
        const char *stop_unit; /* one that runs; its name without an alias is the manager's */
        bool is_fallback;
        const char *stops; /* NULL: refused */
        RefusalKind kind;
        const char *says; /* must stand in the refusal */
} Row;

#define STOP CONFIG_HOLDERS_STOP
#define KILL CONFIG_HOLDERS_KILL

#define REFUSED .kind = REFUSAL_BUSY
#define LEAVE "; end-sessions = yes allows that."

static const Row rows[] = {
        { "a session and the display manager, in order",
          { WESTON, LOGIND },
          { DESKTOP },
          "gdm.service",
          .end_sessions = true,
          .stops = "stop-unit gdm.service\nend-session 3\n" },
        { "a graphical session that holds nothing just now", .sessions = { DESKTOP },
          .end_sessions = true, .stops = "end-session 3\n" },
        { "logind alone, in the moment in which a session has ended",
          { LOGIND },
          { LOGIN_SCREEN },
          .end_sessions = true,
          .stops = "end-session c1\n" },
        { "a text session is left alone",
          { WESTON },
          { TEXT_TOO, DESKTOP, TEXT },
          .end_sessions = true,
          .stops = "end-session 3\n" },
        { "a text session whose program draws ends, too",
          { SWAY, WESTON },
          { TEXT, DESKTOP },
          .end_sessions = true,
          .stops = "end-session 5\nend-session 3\n" },
        { "a compositor of a user manager, its session being a text one",
          { WESTON },
          { TEXT_TOO },
          .end_sessions = true,
          .stops = "end-session 4\n" },
        { "the X server of the display manager",
          { XORG, GAME },
          { DESKTOP },
          "lightdm.service",
          .end_sessions = true,
          .stops = "stop-unit lightdm.service\nend-session 3\n" },
        { "another session of the same user is not ended, and in the way",
          { WESTON, PLAYER },
          { DESKTOP },
          .end_sessions = true,
          REFUSED,
          .says = "process 901 (mpv) in session 8 of user anna" },
        { "but may be killed by its own key",
          { WESTON, PLAYER },
          { DESKTOP },
          .end_sessions = true,
          .how = KILL,
          .stops = "end-session 3\nkill-holder 901\n" },
        { "a service of the system is in the way as ever",
          { XORG },
          { DESKTOP },
          "gdm.service",
          .end_sessions = true,
          REFUSED,
          .says = "of lightdm.service. End it" },
        { "the display manager among the stop-units is stopped once",
          { WESTON },
          { DESKTOP },
          "gdm.service",
          .end_sessions = true,
          .stop_unit = "display-manager.service",
          .stops = "stop-unit gdm.service\nend-session 3\n" },
        { "what the display manager has opened elsewhere, too",
          { WESTON },
          { DESKTOP, ELSEWHERE, SHELL },
          "gdm.service",
          .end_sessions = true,
          .stops = "stop-unit gdm.service\nend-session 3\nend-session 9\nend-session 6\n" },
        { "the way back ends nobody",
          { WESTON },
          { DESKTOP },
          "gdm.service",
          .end_sessions = true,
          .is_fallback = true,
          .stops = "" },

        { "without leave: the compositor",
          { WESTON },
          { DESKTOP },
          "gdm.service",
          REFUSED,
          .says = "process 812 (weston) of user anna's weston.service in session 3. The switch would end session 3 of anna on "
                  "seat0" LEAVE },
        { "without leave, and to kill",
          { WESTON },
          { DESKTOP },
          .how = KILL,
          REFUSED,
          .says = "would end session 3 of anna on seat0" LEAVE },
        { "a program that only computes on the card may be killed",
          { GAME },
          { DESKTOP },
          .how = KILL,
          .stops = "kill-holder 820\n" },
        { "without leave: who draws from a text session",
          { SWAY },
          { TEXT },
          .how = STOP,
          REFUSED,
          .says = "would end session 5 of ben on seat0" LEAVE },
        { "without leave: the display manager by holders",
          { XORG },
          { DESKTOP },
          "lightdm.service",
          .how = STOP,
          REFUSED,
          .says = "would end session 3 of anna on seat0" LEAVE },
        { "without leave: the display manager's X server, which nothing was said of",
          { XORG, GAME },
          { DESKTOP },
          "lightdm.service",
          REFUSED,
          .says = "(Xorg) of lightdm.service, process 820 (game) in session 3 of user anna. The "
                  "switch would end session 3 of anna on seat0" LEAVE },
        { "the display manager without a person, which nothing was said of",
          { XORG },
          { LOGIN_SCREEN },
          "lightdm.service",
          REFUSED,
          .says = "of lightdm.service. End it" },
        { "the display manager without a person",
          { XORG },
          { TEXT },
          "lightdm.service",
          .how = STOP,
          .stops = "stop-holder lightdm.service\n" },
        { "without leave: the display manager by stop-units",
          { LOGIND },
          { DESKTOP },
          "gdm.service",
          .stop_unit = "display-manager.service",
          REFUSED,
          .says = "Stopping gdm.service, which is in stop-units, would end session 3 of anna on "
                  "seat0" LEAVE },
        { "without leave: a person on another seat, by holders",
          { XORG },
          { LOGIN_SCREEN, ELSEWHERE },
          "lightdm.service",
          .how = STOP,
          REFUSED,
          .says = "would end session 9 of carla on seat1" LEAVE },
        { "without leave: a person on another seat, by stop-units", .sessions = { ELSEWHERE },
          .manager = "gdm.service", .stop_unit = "display-manager.service", REFUSED,
          .says = "would end session 9 of carla on seat1" LEAVE },
        { "without leave: the greeter",
          { GREETER },
          { LOGIN_SCREEN },
          "gdm.service",
          .how = KILL,
          REFUSED,
          .says = "would end the greeter's session c1 of gdm on seat0" LEAVE },

        { "inhibited: a person on another seat", .sessions = { ELSEWHERE },
          .manager = "gdm.service", .inhibitor = INHIBITED, .end_sessions = true,
          .kind = REFUSAL_INHIBITED, .says = "would end session 9 of carla on seat1" },
        { "inhibited: who, what, why, and whose session",
          { WESTON },
          { DESKTOP },
          "gdm.service",
          INHIBITED,
          .end_sessions = true,
          .kind = REFUSAL_INHIBITED,
          .says = "anna's editor (process 555) inhibits shutdown:sleep: Unsaved work. The switch "
                  "would end session 3 of anna on seat0." },
        { "a greeter has no work to lose",
          { GREETER },
          { LOGIN_SCREEN },
          "gdm.service",
          INHIBITED,
          .end_sessions = true,
          .stops = "stop-unit gdm.service\nend-session c1\n" },
};

static InUse *fill(const Row *row) {
        InUse *in_use = calloc(1, sizeof(*in_use));
        Sessions *sessions = &in_use->sessions;

        for (; row->holders[in_use->holders.n].pid; in_use->holders.n++)
                in_use->holders.list[in_use->holders.n] = row->holders[in_use->holders.n];
        for (; sessions->n < ARRAY_SIZE(row->sessions) && row->sessions[sessions->n].id[0];
             sessions->n++)
                sessions->list[sessions->n] = row->sessions[sessions->n];
        (void)snprintf(sessions->manager, sizeof(sessions->manager), "%s",
                       row->manager ? row->manager : "");
        sessions->inhibitor = row->inhibitor;
        sessions->is_known = true;
        if (row->stop_unit) {
                (void)snprintf(in_use->ids[0], sizeof(in_use->ids[0]), "%s", row->manager);
                in_use->running = 1;
        }
        return in_use;
}

static void format_stops(const Plan *plan, char *ret, size_t size) {
        char object[PLAN_STOP_OBJECT_SIZE], text[PLAN_STOP_TEXT_SIZE];

        ret[0] = '\0';
        for (size_t i = 0; i < plan->n_stops; i++) {
                size_t length = strlen(ret);

                (void)snprintf(ret + length, size - length, "%s %s\n",
                               plan_stop_name(plan->stops[i].kind),
                               plan_stop_object(&plan->stops[i], object));
                assert_true(plan_stop_format(&plan->stops[i], text)[0] != '\0');
        }
}

static void test_plan(void **state) {
        const Row *row = *state;
        ConfigMode mode = { .end_sessions = row->end_sessions, .holders = row->how };
        Plan *plan = calloc(1, sizeof(*plan));
        InUse *in_use = fill(row);
        Refusal refusal = { 0 };
        char stops[512];

        if (row->stop_unit)
                (void)snprintf(mode.stop_units[mode.n_stop_units++], CONFIG_UNIT_SIZE, "%s",
                               row->stop_unit);
        assert_int_equal(in_use_plan(in_use, &mode, row->how, row->is_fallback, plan, &refusal),
                         row->kind);
        if (row->says && !strstr(refusal.text, row->says))
                print_error("'%s' is not in: %s\n", row->says, refusal.text);
        assert_true(!row->says || strstr(refusal.text, row->says));
        format_stops(plan, stops, sizeof(stops));
        if (row->stops && row->is_fallback)
                assert_int_equal(plan->n_stops, row->stop_unit ? 1 : 0);
        else if (row->stops)
                assert_string_equal(stops, row->stops);
        free(in_use);
        free(plan);
}

/* The display manager comes back at once where another screen is there for it. */
static void test_other_screen(_unused_ void **state) {
        const Row row = { "", .sessions = { DESKTOP }, .manager = "gdm.service" };
        const ConfigMode mode = { .end_sessions = true };
        Plan *plan = calloc(1, sizeof(*plan));
        InUse *in_use = fill(&row);
        Refusal refusal = { 0 };

        assert_int_equal(sessions_plan(in_use, &mode, plan, &refusal), REFUSAL_NONE);
        assert_true(plan->stops[0].for_good);
        plan->n_stops = 0;
        in_use->sessions.has_other_screen = true;
        assert_int_equal(sessions_plan(in_use, &mode, plan, &refusal), REFUSAL_NONE);
        assert_false(plan->stops[0].for_good);
        free(in_use);
        free(plan);
}

static void test_left_behind(_unused_ void **state) {
        static const NodeHolder weston = WESTON, game = GAME, sway = SWAY, player = PLAYER,
                                logind = LOGIND, xorg = XORG;
        Plan *plan = calloc(1, sizeof(*plan));

        plan->stops[plan->n_stops++] =
                (PlanStop){ .kind = PLAN_STOP_MANAGER, .unit = "gdm.service" };
        assert_false(sessions_leave_behind(plan, &weston));
        plan->stops[plan->n_stops++] = (PlanStop){ .kind = PLAN_END_SESSION, .session = DESKTOP };
        assert_true(sessions_leave_behind(plan, &weston));
        assert_true(sessions_leave_behind(plan, &game));
        assert_false(sessions_leave_behind(plan, &sway));   /* another user */
        assert_false(sessions_leave_behind(plan, &player)); /* another session */
        assert_false(sessions_leave_behind(plan, &logind));
        assert_false(sessions_leave_behind(plan, &xorg));
        free(plan);
}

/* --- what busctl prints --- */

static void test_managers(_unused_ void **state) {
        assert_true(session_service_is_of("gdm-password", "gdm.service"));
        assert_true(session_service_is_of("lightdm", "lightdm.service"));
        assert_false(session_service_is_of("gdm-password", "lightdm.service"));
        assert_false(session_service_is_of("lightdm", "light.service"));
        assert_false(session_service_is_of("login", ""));
}

typedef struct Locks {
        const char *title, *text;
        int result;
        const char *who, *why, *what;
        unsigned pid;
} Locks;

static const Locks locks[] = {
        { "none", "a(ssssuu) 0", 0, "", NULL, NULL, 0 },
        { "one", "a(ssssuu) 1 \"shutdown\" \"apt\" \"Installing\" \"block\" 0 812", 0, "apt",
          "Installing", "shutdown", 812 },
        { "the default of systemd-inhibit",
          "a(ssssuu) 1 \"shutdown:sleep:idle\" \"make\" \"Unknown reason\" \"block\" 1000 9", 0,
          "make", "Unknown reason", "shutdown:sleep:idle", 9 },
        { "who only wants to be told, and who means keys and screens",
          "a(ssssuu) 5 \"sleep\" \"NetworkManager\" \"x\" \"delay\" 0 1 \"idle\" \"mpv\" \"x\" "
          "\"block\" 1000 2 \"handle-power-key\" \"us\" \"x\" \"block\" 0 3 \"sleep\" \"UPower\" "
          "\"y\" \"block-weak\" 0 4 \"idle:sleep\" \"vlc\" \"A film\" \"block\" 1000 5",
          0, "vlc", "A film", "idle:sleep", 5 },
        { "the guard's own",
          "a(ssssuu) 2 \"sleep\" \"vfio-mode\" \"A virtual machine has a device\" \"block\" 0 3 "
          "\"shutdown\" \"apt\" \"Installing\" \"block\" 0 812",
          0, "apt", "Installing", "shutdown", 812 },
        { "the guard's own alone",
          "a(ssssuu) 1 \"sleep\" \"vfio-mode\" \"A virtual machine has a device\" \"block\" 0 3", 0,
          "", NULL, NULL, 0 },
        { "escapes, and letters that are not ASCII",
          "a(ssssuu) 1 \"sleep\" \"a \\\"b\\\" \\\\c\" \"\\303\\234ber \xc3\xbc\\n!\" \"block\" 0 "
          "7",
          0, "a \"b\" \\c", "?ber ? !", "sleep", 7 },
        { "nobody's name", "a(ssssuu) 1 \"sleep\" \"\" \"\" \"block\" 0 7", 0, "Somebody", "",
          "sleep", 7 },
        { "a longer reason than there is room for",
          "a(ssssuu) 1 \"sleep\" \"x\" "
          "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
          "56789012345678901234567890123456789012345678901234567890123456789\" \"block\" 0 7",
          0, "x",
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
          "890123456789012345678901234567890123456",
          "sleep", 7 },
        { "nothing", "", -EBADMSG, "", NULL, NULL, 0 },
        { "another type", "as 1 \"x\"", -EBADMSG, "", NULL, NULL, 0 },
        { "fewer than said", "a(ssssuu) 2 \"idle\" \"a\" \"b\" \"block\" 0 1", -EBADMSG, "", NULL,
          NULL, 0 },
        { "cut in a string", "a(ssssuu) 1 \"idle\" \"a", -EBADMSG, "", NULL, NULL, 0 },
        { "cut in an escape", "a(ssssuu) 1 \"idle\\", -EBADMSG, "", NULL, NULL, 0 },
        { "no number", "a(ssssuu) 1 \"sleep\" \"a\" \"b\" \"block\" 0 x", -EBADMSG, "", NULL, NULL,
          0 },
};

static void test_locks(void **state) {
        const Locks *row = *state;
        Inhibitor found;

        (void)memset(&found, 0x5a, sizeof(found));
        assert_int_equal(inhibitors_parse(row->text, &found), row->result);
        assert_string_equal(found.who, row->who);
        if (row->who[0] == '\0')
                return;
        assert_string_equal(found.why, row->why);
        assert_string_equal(found.what, row->what);
        assert_int_equal(found.pid, row->pid);
}

static void test_format(void **state) {
        const Session desktop = { .id = "3", .user = "anna", .seat = "seat0" };
        const Session remote = { .id = "c1", .user = "gdm", .is_greeter = true };
        char text[SESSION_TEXT_SIZE];

        (void)state;
        assert_string_equal(session_format(&desktop, text), "session 3 of anna on seat0");
        assert_string_equal(session_format(&remote, text),
                            "the greeter's session c1 of gdm on no seat");
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_plan, rows);
        table_add(&table, "whose session it is", test_managers, NULL);
        table_add(&table, "a session in words", test_format, NULL);
        table_add(&table, "another screen stays", test_other_screen, NULL);
        table_add(&table, "what a session leaves behind", test_left_behind, NULL);
        TABLE_ROWS(&table, test_locks, locks);
        return table_run("sessions", &table);
}
