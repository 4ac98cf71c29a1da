/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real processes that use a function made of words are waited for, asked to end, killed, or in the
 * way. Units take a service manager: tests/vm/test_holders.py.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "apply/let-go.h"
#include "base/log.h"
#include "real-node.h"
#include "table.h"

#define CONFIG                                                                    \
        "[general]\nfallback-mode = host\n[device gpu]\naddress = 0000:01:00.0\n" \
        "consent = boot-vga\n[mode passthrough]\nvfio-devices = gpu\n"

typedef struct Machine {
        FakeHost *fake;
        Root root;
        Situation now;
        LetGo let_go;
        Plan plan;
        UndoLog undo;
        Refusal refusal;
} Machine;

static int set_up(void **state) {
        ConfigSource source = { "test", CONFIG, strlen(CONFIG) };
        Machine *machine = calloc(1, sizeof(*machine));
        Function *gpu = &machine->now.host.functions[0];
        ConfigErrors errors;

        log_set_max_level(LOG_EMERG);
        machine->undo = UNDO_LOG_NULL;
        machine->fake = fake_host_new();
        fake_host_write(machine->fake, "run/vfio-mode/status", "");
        fake_host_write(machine->fake, "sys/bus/pci/devices/0000:01:00.0/drm/card0/dev", "1:7\n");
        assert_int_equal(root_open(fake_host_path(machine->fake), &machine->root), 0);
        real_node_use_processes(machine->fake, &machine->root);
        machine->now.root = &machine->root;
        machine->now.mode = "passthrough";
        assert_int_equal(config_parse(&source, 1, &machine->now.config, &errors), 0);
        machine->now.host.n_functions = 1;
        *gpu = (Function){ .address = { 0, 1, 0, 0 }, .driver = "bochs-drm", .iommu_group = 12 };
        machine->plan.steps[machine->plan.n_steps++] =
                (Step){ .kind = STEP_UNBIND, .address = gpu->address, .driver = "bochs-drm" };
        machine->let_go.now = &machine->now;
        assert_int_equal(undo_log_open(&machine->root, "host", "passthrough", NULL, &machine->undo),
                         0);
        *state = machine;
        return 0;
}

static int tear_down(void **state) {
        Machine *machine = *state;

        undo_log_close(&machine->undo);
        root_close(&machine->root);
        fake_host_freep(&machine->fake);
        free(machine);
        return 0;
}

static RefusalKind plan(Machine *machine, ConfigHolders how) {
        machine->let_go.how = how;
        return let_go_plan(&machine->let_go, NULL, 0, &machine->plan, &machine->refusal);
}

static RefusalKind go(Machine *machine) {
        return let_go(&machine->let_go, &machine->plan, &machine->undo, &machine->refusal);
}

static void test_refuse(void **state) {
        Machine *machine = *state;
        pid_t pid = real_node_hold(REAL_NODE, POLITE);
        char word[32];

        assert_int_equal(plan(machine, CONFIG_HOLDERS_REFUSE), REFUSAL_BUSY);
        (void)snprintf(word, sizeof(word), "process %d (", pid);
        assert_non_null(strstr(machine->refusal.text, word));
        assert_int_equal(machine->plan.n_stops, 0);
        real_node_end(pid);
        assert_int_equal(plan(machine, CONFIG_HOLDERS_REFUSE), REFUSAL_NONE);
        assert_int_equal(go(machine), REFUSAL_NONE);
}

static void test_poller(void **state) {
        Machine *machine = *state;
        pid_t pid = real_node_hold(REAL_NODE, POLLING);

        assert_int_equal(plan(machine, CONFIG_HOLDERS_REFUSE), REFUSAL_NONE);
        real_node_end(pid);
}

/* Each ends as it has to; planning has not touched them. */
static void test_kill(void **state) {
        Machine *machine = *state;
        pid_t polite = real_node_hold(REAL_NODE, POLITE),
              stubborn = real_node_hold(REAL_NODE, STUBBORN);
        int status;

        assert_int_equal(plan(machine, CONFIG_HOLDERS_KILL), REFUSAL_NONE);
        assert_int_equal(machine->plan.n_stops, 2);
        assert_int_equal(waitpid(polite, &status, WNOHANG), 0);
        assert_int_equal(go(machine), REFUSAL_NONE);
        assert_int_equal(waitpid(polite, &status, 0), polite);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        assert_int_equal(waitpid(stubborn, &status, 0), stubborn);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Who came while others were stopped, and may not be ended, is in the way still. */
static void test_still_busy(void **state) {
        Machine *machine = *state;
        pid_t pid = real_node_hold(REAL_NODE, POLITE);

        assert_int_equal(plan(machine, CONFIG_HOLDERS_KILL), REFUSAL_NONE);
        machine->let_go.how = CONFIG_HOLDERS_STOP;
        assert_int_equal(go(machine), REFUSAL_BUSY);
        assert_non_null(strstr(machine->refusal.text, "is still in use by process"));
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        real_node_end(pid);
}

/* Nobody had to be stopped, and somebody came before the first function is touched. */
static void test_late_holder(void **state) {
        Machine *machine = *state;
        pid_t pid;

        assert_int_equal(plan(machine, CONFIG_HOLDERS_REFUSE), REFUSAL_NONE);
        assert_int_equal(machine->plan.n_stops, 0);
        pid = real_node_hold(REAL_NODE, POLITE);
        assert_int_equal(go(machine), REFUSAL_BUSY);
        assert_non_null(strstr(machine->refusal.text, "is still in use by process"));
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        real_node_end(pid);
}

/* Nor is who runs us ended, who came as late, whatever may be. */
static void test_who_runs_us(void **state) {
        Machine *machine = *state;
        int fd = -1, status;
        pid_t pid;

        assert_int_equal(plan(machine, CONFIG_HOLDERS_KILL), REFUSAL_NONE);
        fd = open(REAL_NODE, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(go(machine) == REFUSAL_BUSY ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid); /* unless we were killed */
        assert_int_equal(status, 0);
        (void)close(fd);
}

/* On the way back nobody is asked to let go, and what is used stays where it is. */
static void test_way_back(void **state) {
        Machine *machine = *state;
        pid_t pid = real_node_hold(REAL_NODE, POLITE);

        machine->now.mode = "host";
        machine->now.is_fallback = true;
        assert_int_equal(plan(machine, CONFIG_HOLDERS_KILL), REFUSAL_NONE);
        assert_true(machine->now.host.functions[0].is_held);
        assert_int_equal(machine->plan.n_stops, 0);
        assert_int_equal(go(machine), REFUSAL_NONE);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        real_node_end(pid);
}

static void test_units_in_the_log(void **state) {
        static const StoppedUnit units[] = { { "a.service", false, { 0 } },
                                             { "b.service", true, { 0, 1, 0, 1 } } };
        Machine *machine = *state;
        RunState *read = calloc(1, sizeof(*read)), *before = calloc(1, sizeof(*before));
        char *text;

        undo_log_close(&machine->undo);
        assert_int_equal(run_state_add_unit(before, &units[0]), 0);
        assert_int_equal(
                undo_log_open(&machine->root, "host", "passthrough", before, &machine->undo), 0);
        free(before);
        for (unsigned i = 0; i < 2; i++)
                for (unsigned n = 0; n < 2; n++)
                        assert_int_equal(undo_log_add_unit(&machine->undo, &units[i]), 0);
        text = fake_host_read(machine->fake, "run/vfio-mode/undo");
        assert_int_equal(run_state_parse(text, read), 0);
        free(text);
        assert_int_equal(read->n_units, 2);
        assert_string_equal(read->units[0].name, "a.service");
        assert_string_equal(read->units[1].name, "b.service");
        assert_true(read->units[1].is_holder);
        free(read);
        /* A log that cannot be written still knows in memory. */
        undo_log_close(&machine->undo);
        assert_true(undo_log_add_unit(&machine->undo, &(StoppedUnit){ .name = "c.service" }) < 0);
        assert_int_equal(machine->undo.state.n_units, 3);
}

#define ON_MACHINE(title, test) { (title), (test), set_up, tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("refuse: named after a while", test_refuse),
                ON_MACHINE("who polls is waited for", test_poller),
                ON_MACHINE("kill: asked first, then killed", test_kill),
                ON_MACHINE("who is still there is in the way", test_still_busy),
                ON_MACHINE("who came late is in the way", test_late_holder),
                ON_MACHINE("who runs us is not ended", test_who_runs_us),
                ON_MACHINE("the way back asks nobody", test_way_back),
                ON_MACHINE("units in the undo log", test_units_in_the_log),
        };

        if (real_node_take() < 0)
                return 1;
        return cmocka_run_group_tests_name("let-go", tests, NULL, NULL);
}
