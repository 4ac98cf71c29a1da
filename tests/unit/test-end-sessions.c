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
#include "base/log.h"
#include "host/sessions.h"
#include "table.h"

#define DATABASE "run/udev/data/c226:0"

static unsigned n_to_fail; /* attempts to run a program, from now on */

int posix_spawnp(_unused_ pid_t *pid, _unused_ const char *file,
                 _unused_ const posix_spawn_file_actions_t *actions,
                 _unused_ const posix_spawnattr_t *attributes, _unused_ char *const arguments[],
                 _unused_ char *const environment[]) {
        assert_int_not_equal(n_to_fail, 0);
        n_to_fail--;
        return EAGAIN;
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
        TABLE_ROWS(&table, test_seat, seats);
        return table_run("end-sessions", &table);
}
