/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose session ends, and who is asked. What logind makes of it is in tests/sweep and
 * tests/vm/test_sessions.py.
 */
#undef NDEBUG
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>

#include "../fake/fake-host.h"
#include "apply/end-sessions.h"
#include "base/log.h"
#include "host/sessions.h"
#include "table.h"

#define DATABASE "run/udev/data/c226:0"

static unsigned n_to_fail; /* attempts to run a program, from now on */
static unsigned n_ran;

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const arguments[],
                 char *const environment[]) {
        static char program[] = "true";
        char *replaced[] = { program, NULL };

        if (n_to_fail > 0) {
                n_to_fail--;
                return EAGAIN;
        }
        n_ran += strcmp(file, "loginctl") == 0 && strcmp(arguments[1], "terminate-session") == 0 &&
                 strcmp(arguments[3], "3") == 0;
        return posix_spawn(pid, "/bin/true", actions, attributes, replaced, environment);
}

typedef struct Ask {
        const char *title;
        unsigned n_to_fail, n_ran;
} Ask;

static const Ask asks[] = {
        { "it is asked to end", 0, 1 },
        { "loginctl cannot be run at once", 1, 1 },
        { "loginctl cannot be run at all", 2, 0 },
};

static void test_ask(void **state) {
        const Ask *row = *state;
        const PlanStop stop = { .kind = PLAN_END_SESSION, .session = { .id = "3" } };

        n_to_fail = row->n_to_fail;
        n_ran = 0;
        end_sessions_ask(&stop);
        assert_int_equal(n_ran, row->n_ran);
        assert_int_equal(n_to_fail, 0);
}

/* The first program that is run would be systemctl, and is not. */
typedef struct Seat {
        const char *title, *file;
        int result;
} Seat;

static const Seat seats[] = {
        { "without a database it is seat0", NULL, -EAGAIN },
        { "one that names the seat", DATABASE, -EAGAIN },
        { "one that cannot be read: nobody's session is looked for", DATABASE "/x", -EISDIR },
};

static void test_seat(void **state) {
        const Seat *row = *state;
        const ConfigMode mode = { .end_sessions = true };
        Sessions *sessions = calloc(1, sizeof(*sessions));
        Host *host = calloc(1, sizeof(*host));
        Plan *plan = calloc(1, sizeof(*plan));
        FakeHost *fake = fake_host_new();
        Root root;

        fake_host_write(fake, "sys/bus/pci/devices/0000:01:00.0/drm/card0/dev", "226:0\n");
        if (row->file)
                fake_host_write(fake, row->file, "I:1\nE:ID_SEAT=seat-gpu\n");
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        host->functions[host->n_functions++] = (Function){ .address = { 0, 1, 0, 0 },
                                                           .class_code = 0x030000,
                                                           .driver = "nouveau" };
        plan->steps[plan->n_steps++] = (Step){ .kind = STEP_UNBIND,
                                               .address = host->functions[0].address,
                                               .driver = "nouveau" };
        n_to_fail = 1;
        assert_int_equal(sessions_look(&root, host, plan, &mode, sessions), row->result);
        root_close(&root);
        fake_host_freep(&fake);
        free(sessions);
        free(host);
        free(plan);
}

int main(void) {
        Table table = { 0 };

        log_set_max_level(LOG_EMERG);
        TABLE_ROWS(&table, test_ask, asks);
        TABLE_ROWS(&table, test_seat, seats);
        return table_run("end-sessions", &table);
}
