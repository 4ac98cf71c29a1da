/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real processes that have the node of a group open, on a machine made of words: each ends when it
 * is asked to or when its time is up. Units, virsh and qm: tests/vm/test_stop_vm.py.
 */
#undef NDEBUG
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "../fake/fake-host.h"
#include "apply/guests.h"
#include "base/log.h"
#include "real-node.h"
#include "table.h"

#define CONFIG \
        "[device gpu]\naddress = 0000:01:00.0\n[mode passthrough]\nvfio-devices = gpu\nstop-vm = 2\n"

typedef struct Machine {
        FakeHost *fake;
        Root root;
        Situation now;
        Plan plan;
        Refusal refusal;
} Machine;

static int set_up(void **state) {
        ConfigSource source = { "test", CONFIG, strlen(CONFIG) };
        Machine *machine = calloc(1, sizeof(*machine));
        Function *gpu = &machine->now.host.functions[0];
        ConfigErrors errors;

        log_set_max_level(LOG_EMERG);
        machine->fake = fake_host_new();
        fake_host_write(machine->fake, "sys/bus/pci/devices/0000:01:00.0/drm/card0/dev", "1:7\n");
        assert_int_equal(root_open(fake_host_path(machine->fake), &machine->root), 0);
        real_node_use_processes(machine->fake, &machine->root);
        machine->now.root = &machine->root;
        machine->now.mode = "host";
        (void)strcpy(machine->now.state.mode, "passthrough");
        assert_int_equal(config_parse(&source, 1, &machine->now.config, &errors), 0);
        machine->now.host.n_functions = 1;
        *gpu = (Function){
                .address = { 0, 1, 0, 0 }, .driver = "vfio-pci", .iommu_group = 12, .on_vfio = true
        };
        machine->plan.steps[machine->plan.n_steps++] =
                (Step){ .kind = STEP_UNBIND, .address = gpu->address, .driver = "vfio-pci" };
        *state = machine;
        return 0;
}

static int tear_down(void **state) {
        Machine *machine = *state;

        root_close(&machine->root);
        fake_host_freep(&machine->fake);
        free(machine);
        return 0;
}

static int end_of(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        return WTERMSIG(status);
}

static time_t now_seconds(void) {
        struct timespec now;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
        return now.tv_sec;
}

static void test_end(void **state) {
        Machine *machine = *state;
        pid_t polite = real_node_hold(REAL_NODE, POLITE),
              stubborn = real_node_hold(REAL_NODE, STUBBORN);
        time_t begin = now_seconds();
        bool had_guests;

        machine->now.host.functions[0].holder.pid = polite;
        assert_int_equal(guests_end(&machine->now, &machine->plan, &had_guests, &machine->refusal),
                         REFUSAL_NONE);
        assert_true(had_guests);
        assert_int_equal(end_of(polite), SIGTERM);
        assert_int_equal(end_of(stubborn), SIGKILL);
        assert_true(now_seconds() - begin >= 2 + 5);
}

/* Where nobody was seen, nobody is looked for, and nothing is waited for. */
static void test_nobody(void **state) {
        Machine *machine = *state;
        pid_t pid = real_node_hold(REAL_NODE, POLITE);
        bool had_guests;

        assert_int_equal(guests_end(&machine->now, &machine->plan, &had_guests, &machine->refusal),
                         REFUSAL_NONE);
        assert_false(had_guests);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        machine->plan.n_steps = 0; /* another function's guest */
        machine->now.host.functions[0].holder.pid = pid;
        assert_int_equal(guests_end(&machine->now, &machine->plan, &had_guests, &machine->refusal),
                         REFUSAL_NONE);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(end_of(pid), SIGKILL);
}

static void test_may(void **state) {
        Machine *machine = *state;
        Situation *now = &machine->now;

        assert_true(guests_may_be_ended(now, "unit"));
        now->early = true;
        assert_false(guests_may_be_ended(now, "boot"));
        now->early = false;
        now->mend_only = true;
        assert_false(guests_may_be_ended(now, "replug"));
        now->mend_only = false;
        now->mode = "passthrough";
        assert_false(guests_may_be_ended(now, "unit"));
        assert_true(guests_may_be_ended(now, "fallback"));
}

#define ON_MACHINE(title, test) { (title), (test), set_up, tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("asked, asked again, killed", test_end),
                ON_MACHINE("who has nothing of it is left alone", test_nobody),
                ON_MACHINE("which switches end guests", test_may),
        };

        if (real_node_take() < 0)
                return 1;
        return cmocka_run_group_tests_name("guests", tests, NULL, NULL);
}
