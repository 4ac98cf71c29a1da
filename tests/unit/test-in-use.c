/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is in the way of a switch, and what is done about it: pure, on holders made of words. */
#undef NDEBUG
#include <stdio.h>
#include <string.h>

#include "model/in-use.h"
#include "table.h"

/* --- /proc/PID/cgroup --- */

typedef struct Cgroup {
        const char *title, *text, *unit, *session, *user; /* with the unit of his manager */
} Cgroup;

#define UNIT_127                                                                 \
        "0123456789012345678901234567890123456789012345678901234567890123456789" \
        "0123456789012345678901234567890123456789012345678.service"

static const Cgroup cgroups[] = {
        { "a service", "0::/system.slice/gdm.service\n", "gdm.service", "", "" },
        { "an instance in its template's slice", "0::/system.slice/system-a.slice/a@b.service\n",
          "a@b.service", "", "" },
        { "what a service has made below itself", "0::/system.slice/docker.service/x/y.service\n",
          "docker.service", "", "" },
        { "a guest's scope", "0::/machine.slice/machine-qemu\\x2d1.scope/libvirt/emulator\n",
          "machine-qemu\\x2d1.scope", "", "" },
        { "a name that the kernel would take for its own", "0::/system.slice/_cpu.service\n",
          "cpu.service", "", "" },
        { "PID 1", "0::/init.scope\n", "init.scope", "", "" },
        { "a kernel thread", "0::/\n", "", "", "" },
        { "nothing", "", "", "", "" },
        { "a slice alone", "0::/user.slice/user-1000.slice\n", "", "", "" },
        { "a login session", "0::/user.slice/user-1000.slice/session-3.scope\n", "", "3", "1000" },
        { "a greeter's session", "0::/user.slice/user-113.slice/session-c1.scope\n", "", "c1",
          "113" },
        { "a scope that is only called so", "0::/system.slice/session-3.scope\n", "session-3.scope",
          "", "" },
        { "a user's service",
          "0::/user.slice/user-1000.slice/user@1000.service/session.slice/pipewire.service\n", "",
          "", "1000 pipewire.service" },
        { "an application of a user, and what it has made below itself",
          "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-a.slice/"
          "app-a\\x2d1.scope/x/y.service\n",
          "", "", "1000 app-a\\x2d1.scope" },
        { "a user's manager", "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "",
          "", "1000 init.scope" },
        { "a user's service whose name the kernel would take for its own",
          "0::/user.slice/user-1000.slice/user@1000.service/app.slice/_cpu.service\n", "", "",
          "1000 cpu.service" },
        { "what is no unit of a user", "0::/user.slice/user-1000.slice/user@1000.service/x\n", "",
          "", "1000" },
        { "a user's slice alone", "0::/user.slice/user-1000.slice/user@1000.service/app.slice\n",
          "", "", "1000" },
        { "the system's service for a user",
          "0::/user.slice/user-1000.slice/user-runtime-dir@1000.service\n",
          "user-runtime-dir@1000.service", "", "" },
        { "cgroup 1",
          "12:pids:/x\n2:cpu,cpuacct:/y\n1:name=systemd:/system.slice/a.service\n0::/\n",
          "a.service", "", "" },
        { "a unit whose name is as long as may be", "0::/system.slice/" UNIT_127 "\n", UNIT_127, "",
          "" },
        { "a unit whose name is longer", "0::/system.slice/x" UNIT_127 "\n", "", "", "" },
        { "what is no unit", "0::/lxc/container\n", "", "", "" },
};

static void test_cgroup(void **state) {
        const Cgroup *row = *state;
        NodeHolder holder;
        char user[sizeof(holder.user) + sizeof(holder.user_unit) + 1];

        (void)memset(&holder, 0x5a, sizeof(holder));
        in_use_parse_cgroup(row->text, &holder);
        assert_string_equal(holder.unit, row->unit);
        assert_string_equal(holder.session, row->session);
        (void)snprintf(user, sizeof(user), "%s%s%s", holder.user, holder.user_unit[0] ? " " : "",
                       holder.user_unit);
        assert_string_equal(user, row->user);
}

/* --- the plan --- */

#define GPU { 0, 1, 0, 0 }
#define AUDIO { 0, 1, 0, 1 }
#define XORG { GPU, 812, "Xorg", "gdm.service", "", "", false, false, "" }
#define PLAYER { AUDIO, 900, "mpv", "", "3", "anna", false, false, "" }
#define POLLER { AUDIO, 901, "wireplumber", "", "", "anna", false, false, "wireplumber.service" }
#define LOOSE { GPU, 77, "cat", "", "", "", false, false, "" }
#define QEMU(pid_, unit_) { GPU, (pid_), "qemu-system-x86", unit_, "", "", false, false, "" }
#define LOGIND { GPU, 600, "systemd-logind", "systemd-logind.service", "", "", true, false, "" }

typedef struct Row {
        const char *title;
        NodeHolder holders[6];
        ConfigHolders how;
        const char *stop_units[3], *ending;
        uint32_t running;
        bool is_fallback;
        const char *stops; /**< NULL: refused as busy */
        NodeHolder guests[3];
        uint32_t driver_running; /**< bits of nvidia's units */
        const char *says;        /**< must stand in the refusal, in this order, parted by '|' */
} Row;

#define REFUSE CONFIG_HOLDERS_REFUSE
#define STOP CONFIG_HOLDERS_STOP
#define KILL CONFIG_HOLDERS_KILL

static const Row rows[] = {
        { "nobody", .stops = "" },
        { "nobody, and to kill", .how = KILL, .stops = "" },
        { "refuse: all are named",
          { XORG, PLAYER, POLLER },
          .says = "0000:01:00.0 is in use by process 812 (Xorg) of gdm.service; |"
                  "0000:01:00.1 is in use by process 900 (mpv) in session 3 of user anna, |"
                  "process 901 (wireplumber) of user anna's wireplumber.service. |--holders=stop or --holders=kill" },
        { "refuse: rows of one function are told together",
          { XORG, POLLER, LOOSE },
          .says = "0000:01:00.0 is in use by process 812 (Xorg) of gdm.service, process 77 (cat); |"
                  "0000:01:00.1 is" },
        { "stop: a unit", { XORG }, STOP, .stops = "stop-holder gdm.service\n" },
        { "stop: a unit once",
          { XORG, { AUDIO, 813, "x", "gdm.service", "", "", false, false, "" } },
          STOP,
          .stops = "stop-holder gdm.service\n" },
        { "stop: only what is a user's is named",
          { XORG, PLAYER },
          STOP,
          .says = "0000:01:00.1 is in use by process 900 (mpv) in session 3 of user anna. |"
                  "ended by holders = kill, or by end-sessions" },
        { "stop: a process of no unit",
          { LOOSE },
          STOP,
          .says = "process 77 (cat). |no unit that could be stopped|holders = kill" },
        { "kill: units first, and each process once",
          { PLAYER, XORG, POLLER, LOOSE, { GPU, 900, "mpv", "", "3", "anna", false, false, "" } },
          KILL,
          .stops = "kill-holder 900\nstop-holder gdm.service\nkill-holder 901\nkill-holder 77\n" },
        { "systemd-logind alone",
          { LOGIND },
          KILL,
          .says = "process 600 (systemd-logind) of systemd-logind.service. |let go by itself" },
        { "systemd-logind beside one that ends",
          { LOGIND, PLAYER },
          KILL,
          .stops = "kill-holder 900\n" },
        { "systemd-logind beside one that does not",
          { LOGIND, PLAYER, XORG },
          STOP,
          .says = "process 600 (systemd-logind)|process 900" },
        { "stop-units that run, in their order", .stop_units = { "b.service", "c.timer", "a.path" },
          .running = 5, .stops = "stop-unit b.service\nstop-unit a.path\n" },
        { "a holder in one of the stop-units",
          { XORG },
          REFUSE,
          { "gdm.service" },
          .running = 1,
          .stops = "stop-unit gdm.service\n" },
        { "a holder in one that goes by another name",
          { XORG },
          REFUSE,
          { "display-manager.service" },
          .running = 1,
          .stops = "stop-unit display-manager.service\n" },
        { "a holder in one that is said not to run",
          { XORG },
          REFUSE,
          { "gdm.service" },
          .says = "812" },
        { "one of the stop-units is not stopped twice",
          { XORG },
          STOP,
          { "gdm.service" },
          .running = 1,
          .stops = "stop-unit gdm.service\n" },
        { "a holder that ends with the mode before",
          { XORG },
          REFUSE,
          .ending = "x.service  gdm.service ",
          .stops = "" },
        { "a name that only begins like it",
          { XORG },
          REFUSE,
          .ending = "gdm.servic gdm.services",
          .says = "812" },
        { "the way back is not refused",
          { XORG, PLAYER },
          REFUSE,
          { "a.service" },
          .running = 1,
          .is_fallback = true,
          .stops = "stop-unit a.service\n" },
        { "guests first, each once, also on the way back",
          .guests = { QEMU(7, "a.service"), QEMU(8, ""), QEMU(7, "a.service") },
          .stop_units = { "b.service" }, .running = 1, .is_fallback = true,
          .stops = "end-guest 7\nend-guest 8\nstop-unit b.service\n" },
        { "a guest that ends with the mode before", .guests = { QEMU(7, "a.service") },
          .ending = "a.service", .stops = "" },
        { "what a driver has running, and who is one of them",
          { { GPU, 70, "nvidia-persiste", "nvidia-persistenced.service", "", "", false, false,
              "" } },
          .stop_units = { "b.service" },
          .running = 1,
          .driver_running = 3,
          .stops = "stop-unit b.service\nstop-holder nvidia-persistenced.service\n"
                   "stop-holder nvidia-powerd.service\n" },
        { "what a driver has running is not stopped twice",
          .stop_units = { "nvidia-powerd.service" }, .running = 1, .driver_running = 2,
          .stops = "stop-unit nvidia-powerd.service\n" },
        { "what a driver has running besides who is in the way",
          { LOOSE },
          .driver_running = 2,
          .says = "process 77 (cat)" },
        { "a guest that is nobody's to end",
          .guests = { { GPU, 1, "systemd", "init.scope", "", "", true, false, "" } },
          .is_fallback = true,
          .says = "0000:01:00.0 is in use by process 1 (systemd) of init.scope. |let go by itself" },
};

static InUse *fill(const Row *row, ConfigMode *mode) {
        InUse *in_use = calloc(1, sizeof(*in_use));

        while (in_use->guests.n < ARRAY_SIZE(row->guests) && row->guests[in_use->guests.n].pid) {
                in_use->guests.list[in_use->guests.n] = row->guests[in_use->guests.n];
                in_use->guests.n++;
        }
        while (in_use->holders.n < ARRAY_SIZE(row->holders) &&
               row->holders[in_use->holders.n].pid) {
                in_use->holders.list[in_use->holders.n] = row->holders[in_use->holders.n];
                in_use->holders.n++;
        }
        for (size_t i = 0; i < ARRAY_SIZE(row->stop_units) && row->stop_units[i]; i++) {
                const char *name = row->stop_units[i];

                (void)snprintf(mode->stop_units[mode->n_stop_units++], CONFIG_UNIT_SIZE, "%s",
                               name);
                (void)snprintf(in_use->ids[i], CONFIG_UNIT_SIZE, "%s",
                               strcmp(name, "display-manager.service") ? name : "gdm.service");
        }
        in_use->running = row->running;
        in_use->driver = row->driver_running ? waiting_driver("nvidia") : NULL;
        in_use->driver_running = row->driver_running;
        (void)snprintf(in_use->ending, sizeof(in_use->ending), "%s",
                       row->ending ? row->ending : "");
        return in_use;
}

static void assert_says(const char *text, const char *parts) {
        char copy[512], *cursor = copy, *part;

        (void)snprintf(copy, sizeof(copy), "%s", parts);
        while ((part = strsep(&cursor, "|"))) {
                const char *found = strstr(text, part);

                if (!found)
                        print_error("'%s' is not in: %s\n", part, text);
                assert_non_null(found);
                text = found + strlen(part);
        }
}

static void test_plan(void **state) {
        const Row *row = *state;
        Plan *plan = calloc(1, sizeof(*plan));
        ConfigMode *mode = calloc(1, sizeof(*mode));
        InUse *in_use = fill(row, mode);
        Refusal refusal = { 0 };
        char stops[1024] = "";
        RefusalKind kind;

        plan->n_stops = 7; /* of an earlier look */
        kind = in_use_plan(in_use, mode, row->how, row->is_fallback, plan, &refusal);
        assert_int_equal(kind, row->stops ? REFUSAL_NONE : REFUSAL_BUSY);
        if (row->says)
                assert_says(refusal.text, row->says);
        for (size_t i = 0; row->stops && i < plan->n_stops; i++) {
                const PlanStop *stop = &plan->stops[i];
                char line[192], object[CONFIG_UNIT_SIZE], text[PLAN_STOP_TEXT_SIZE];

                (void)snprintf(line, sizeof(line), "%s %s\n", plan_stop_name(stop->kind),
                               plan_stop_object(stop, object));
                (void)strcat(stops, line);
                assert_true(plan_stop_format(stop, text)[0] != '\0');
        }
        if (row->stops)
                assert_string_equal(stops, row->stops);
        /* Whoever may not know names is told of none. */
        if (strstr(refusal.text, "process "))
                assert_says(refusal_public(&refusal),
                            "0000:01:00.| in use by |, not named to everybody. ");
        assert_null(strstr(refusal_public(&refusal), " of user anna"));
        assert_null(strstr(refusal_public(&refusal), "(Xorg)"));
        free(in_use);
        free(mode);
        free(plan);
}

/* As many as there are, with names as long as they may be: some are told, the others counted. */
static void test_many(_unused_ void **state) {
        InUse *in_use = calloc(1, sizeof(*in_use));
        Plan *plan = calloc(1, sizeof(*plan));
        ConfigMode mode = { .n_stop_units = 0 };
        Refusal refusal = { 0 };

        for (int i = 0; i < HOLDERS_MAX; i++) {
                NodeHolder *holder = &in_use->holders.list[in_use->holders.n++];

                holder->pid = 4000000 + i;
                (void)memset(holder->command, 'x', sizeof(holder->command) - 1);
                (void)snprintf(holder->unit, sizeof(holder->unit), "%s", UNIT_127);
        }
        in_use->holders.n_more = 9;
        assert_int_equal(in_use_plan(in_use, &mode, REFUSE, false, plan, &refusal), REFUSAL_BUSY);
        assert_says(refusal.text, "process 4000000 (xxxxxxxxxxxxxxxx) of |, and 72 more. |kill.");
        assert_says(refusal_public(&refusal),
                    "is in use by 73 processes, not named to everybody. |kill.");
        assert_int_equal(in_use_refuse_rest(in_use, STOP, &refusal), REFUSAL_BUSY);
        assert_says(refusal.text, "is still in use by|and 72 more. |outlived the stop");
        in_use->holders.n = 0;
        assert_int_equal(in_use_refuse_rest(in_use, STOP, &refusal), REFUSAL_NONE);
        free(in_use);
        free(plan);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_cgroup, cgroups);
        TABLE_ROWS(&table, test_plan, rows);
        table_add(&table, "more than can be told", test_many, NULL);
        return table_run("in-use", &table);
}
