/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch as a whole, on a machine of files: what is refused before anything is touched, and what
 * is to follow a failure. Its steps are in test-plan-apply.c, and writes that get stuck in
 * test-writer.c.
 */
#undef NDEBUG
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/plan-apply.h"
#include "apply/unbind.h"
#include "apply/writer.h"
#include "host/process.h"
#include "host/state-files.h"
#include "model/switch-origin.h"
#include "switch-machine.h"
#include "table.h"

#define NIC "0000:05:00.0"

#define CONFIG                                                         \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n"   \
        "[mode other]\n"                                               \
        "[mode passthrough]\nvfio-devices = gpu\non-wedged = reboot\n" \
        "[device nic]\naddress = 0000:05:00.0\n"                       \
        "[mode both]\nvfio-devices = gpu nic\n"

static void assert_driver(const Machine *m, const char *address, const char *driver) {
        char *bound = fake_host_driver(m->fake, address);

        assert_string_equal(bound, driver);
        free(bound);
}

static void assert_untouched(const Machine *m) {
        assert_false(fake_host_exists(m->fake, ".fake-log"));
}

/* --- refused before anything is touched --- */

static const struct Held {
        const char *title, *mode, *source;
        RefusalKind kind;
} holds[] = {
        { "held: a virtual machine does not get the card", "passthrough", SOURCE_VM, REFUSAL_HELD },
        { "held: a person may choose again", "passthrough", SOURCE_COMMAND, REFUSAL_NONE },
        { "held: the way back is open to everybody", "host", SOURCE_VM, REFUSAL_NONE },
};

static void test_hold(void **state) {
        const struct Held *row = *state;
        Machine *m = machine_new(CONFIG);

        fake_host_write(m->fake, STATUS_PATH,
                        "vfio-mode-state=1\nmode=other\nsince=3\nheld-since=5\nheld-by=a choice\n");
        assert_int_equal(machine_switch(m, row->mode, row->source), row->kind);
        if (row->kind == REFUSAL_HELD) {
                assert_untouched(m);
                assert_non_null(strstr(m->result.run.text, "(a choice)"));
        }
        machine_free(m);
}

/* Something is in its place that is no file and cannot be replaced by one. */
static void forbid_undo_log(Machine *m) {
        if (fake_host_exists(m->fake, UNDO_PATH))
                fake_host_remove(m->fake, UNDO_PATH);
        fake_host_write(m->fake, UNDO_PATH "/in-the-way", "");
}

/* Without it a switch that is killed could not be undone; but a screen that is away comes back. */
static void test_no_undo_log(_unused_ void **state) {
        Machine *m = machine_new(CONFIG);

        forbid_undo_log(m);
        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_FAILED);
        assert_non_null(strstr(m->result.run.text, "The undo log /" UNDO_PATH));
        assert_untouched(m);
        fake_host_remove(m->fake, UNDO_PATH);
        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_NONE);
        forbid_undo_log(m);
        assert_int_equal(machine_switch(m, "host", SOURCE_COMMAND), REFUSAL_NONE);
        assert_driver(m, DISPLAY, "nvidia");
        assert_driver(m, AUDIO, "snd_hda_intel");
        machine_free(m);
}

/* Unbinding vfio-pci under a guest never comes back: who has the device must be known. */
static void test_holders_cannot_be_found(_unused_ void **state) {
        static Host host;
        Machine *m = machine_new(CONFIG);
        Writer writer;
        Refusal refusal = { 0 };

        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_NONE);
        host.n_functions = 1;
        host.functions[0] = (Function){ .address = { 0, 1, 0, 0 }, .iommu_group = 12 };
        fake_host_write(m->fake, "sys/bus/pci/devices/" DISPLAY "/guest/dev", "1:7\n");
        if (fake_host_exists(m->fake, "proc"))
                fake_host_remove(m->fake, "proc");
        m->root.is_live = true;
        writer = writer_new(&m->root, 0);
        assert_int_equal(
                unbind_unless_held(&writer, &host, host.functions[0].address, "vfio-pci", &refusal),
                -ENOENT);
        m->root.is_live = false;
        assert_driver(m, DISPLAY, "vfio-pci");
        writer_close(&writer);
        machine_free(m);
}

/* A switch that was killed when its mode was on, and its undo log not yet gone: a failure of the
 * next one leads to that mode, not to the one before. */
static void test_killed_when_it_was_done(_unused_ void **state) {
        Machine *m = machine_new(CONFIG);
        RunState *undo = calloc(1, sizeof(*undo));
        char *text;
        int n;

        fake_host_add_nic(m->fake, NIC, 15);
        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_NONE);
        assert_int_equal(state_read(&m->root, undo), 0);
        (void)strcpy(undo->old_mode, "host");
        n = run_state_format(undo, &text);
        assert_true(n > 0);
        fake_host_write(m->fake, UNDO_PATH, text);
        fake_host_set_faults(m->fake, "bind " NIC " vfio-pci * EIO\n");
        assert_int_equal(machine_switch(m, "both", SOURCE_COMMAND), REFUSAL_FAILED);
        assert_driver(m, DISPLAY, "vfio-pci");
        assert_driver(m, AUDIO, "vfio-pci");
        free(text);
        free(undo);
        machine_free(m);
}

/* --- those in the way, and pages --- */

#define POOL "hugepages-2048kB"

typedef struct Gate {
        const Machine *m;
        unsigned pages; /* that there were when it was asked */
} Gate;

static RefusalKind refuse_to_let_go(void *userdata, _unused_ UndoLog *undo, Refusal *refusal) {
        Gate *gate = userdata;

        gate->pages = fake_host_pool(gate->m->fake, POOL);
        return refusal_set(refusal, REFUSAL_BUSY, "somebody stays");
}

static const struct Pages {
        const char *title;
        unsigned before, after;
        bool takes_a_device;
} pages[] = {
        { "nobody has to let go for want of pages", 0, 8, true },
        { "where there are only pages to give back, who stays gets them again", 8, 0, false },
};

static void test_pages(void **state) {
        static Plan plan;
        static Host host;
        const struct Pages *row = *state;
        Machine *m = machine_new(CONFIG);
        Gate asked = { .m = m };
        const PlanGate gate = { refuse_to_let_go, &asked };
        UndoLog undo = UNDO_LOG_NULL;
        Refusal refusal = { 0 };
        Writer writer;

        fake_host_add_memory(m->fake, 1024);
        fake_host_set_pool(m->fake, POOL, row->before, row->before);
        fake_host_write(m->fake, STATUS_PATH, "");
        assert_int_equal(undo_log_open(&m->root, "", "passthrough", NULL, &undo), 0);
        plan = (Plan){ .n_steps = 1 + row->takes_a_device,
                       .steps = { { .kind = STEP_HUGEPAGES,
                                    .size = HUGEPAGE_2M,
                                    .pages_before = row->before,
                                    .pages = row->after,
                                    .pages_min = row->after },
                                  { .kind = STEP_SET_OVERRIDE,
                                    .address = { 0, 1, 0, 0 },
                                    .driver = "vfio-pci" } } };
        writer = writer_new(&m->root, 0);
        assert_int_equal(plan_apply(&writer, &plan, &host, false, &gate, &undo, &refusal),
                         REFUSAL_BUSY);
        assert_int_equal(asked.pages, row->after);
        assert_int_equal(fake_host_pool(m->fake, POOL), row->before);
        undo_log_close(&undo);
        writer_close(&writer);
        machine_free(m);
}

/* --- what follows a failure --- */

typedef struct After {
        const char *title;
        const char *from, *to; /* the first one works */
        const char *faults;
        bool is_last_way, early;
        RefusalKind kind;
        bool is_stranded;
        Reboot reboot;
} After;

#define TAKES_NO_CARD "bind " DISPLAY " vfio-pci * EIO\n"
#define GIVES_NO_CARD "bind " DISPLAY " nvidia * EIO\n"
#define HANGS "unbind " DISPLAY " * * stall\n"

static const After afters[] = {
        { "all is well", NULL, "passthrough", "", false, false, REFUSAL_NONE, false, REBOOT_NONE },
        { "undone: nothing follows", NULL, "passthrough", TAKES_NO_CARD, false, false,
          REFUSAL_FAILED, false, REBOOT_NONE },
        { "the way back fails: the next boot is seen to", "passthrough", "host", GIVES_NO_CARD,
          false, false, REFUSAL_HALF_WAY, true, REBOOT_NONE },
        { "the last one fails: a reboot is what is left", "passthrough", "host", GIVES_NO_CARD,
          true, false, REFUSAL_HALF_WAY, true, REBOOT_IN_ORDER },
        { "the last one works", "passthrough", "host", "", true, false, REFUSAL_NONE, false,
          REBOOT_NONE },
        { "it gets stuck: only by force", NULL, "passthrough", HANGS, false, false, REFUSAL_WEDGED,
          true, REBOOT_BY_FORCE },
        { "at boot: the count of boots sees to it", NULL, "passthrough", HANGS, false, true,
          REFUSAL_WEDGED, true, REBOOT_NONE },
};

/* It is a child of the test's. */
static void end_writer(const Machine *m) {
        RunState *undo = calloc(1, sizeof(*undo));

        assert_int_equal(undo_read(&m->root, undo), 0);
        assert_int_equal(kill(undo->writer.pid, SIGKILL), 0);
        assert_int_equal(waitpid(undo->writer.pid, NULL, 0), undo->writer.pid);
        free(undo);
}

static void test_after(void **state) {
        const After *row = *state;
        Machine *m = machine_new(CONFIG);
        const SwitchRequest request = { .verb = "switch",
                                        .mode = row->to,
                                        .source = SOURCE_FALLBACK,
                                        .reason = "a test",
                                        .early = row->early,
                                        .is_last_way = row->is_last_way,
                                        .without_units = true };

        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1s", 1), 0);
        if (row->from)
                assert_int_equal(machine_switch(m, row->from, SOURCE_COMMAND), REFUSAL_NONE);
        fake_host_set_faults(m->fake, row->faults);
        assert_int_equal(switch_run(&m->root, &request, &m->result), row->kind);
        assert_int_equal(m->result.is_stranded, row->is_stranded);
        assert_int_equal(m->result.reboot, row->reboot);
        if (row->kind == REFUSAL_WEDGED)
                end_writer(m);
        machine_free(m);
}

/* A process that is there, and by its undo log is stuck in the kernel. */
static void leave_stuck_writer(Machine *m) {
        char process[64], text[512];
        uint64_t start;

        (void)snprintf(process, sizeof(process), "/proc/%d", (int)getpid());
        fake_host_write(m->fake, "proc/.keep", "");
        assert_int_equal(symlinkat(process, m->root.fd, process + 1), 0);
        assert_int_equal(process_start(&m->root, (int)getpid(), &start), 0);
        (void)snprintf(text, sizeof(text),
                       "vfio-mode-state=1\nmode=host\nold-mode=passthrough\nwriter=%d %" PRIu64
                       "\nwrite=unbind " DISPLAY " vfio-pci\nwedged=1\n",
                       (int)getpid(), start);
        fake_host_write(m->fake, UNDO_PATH, text);
}

/* Who got stuck has seen to the next boot; but the last way back does so whatever stops it. */
static void test_stopped(_unused_ void **state) {
        for (unsigned is_last_way = 0; is_last_way < 2; is_last_way++) {
                Machine *m = machine_new(CONFIG);
                const SwitchRequest request = { .verb = "switch",
                                                .mode = "host",
                                                .source = SOURCE_FALLBACK,
                                                .reason = "a test",
                                                .is_last_way = is_last_way > 0,
                                                .without_units = true };

                leave_stuck_writer(m);
                assert_int_equal(switch_run(&m->root, &request, &m->result), REFUSAL_WEDGED);
                assert_int_equal(m->result.is_stranded, is_last_way > 0);
                assert_int_equal(m->result.reboot, REBOOT_NONE);
                assert_untouched(m);
                machine_free(m);
        }
}

/* Who goes by what was accepted before is told: the guard. */
static void test_new_config(_unused_ void **state) {
        Machine *m = machine_new(CONFIG);

        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_NONE);
        assert_true(m->result.has_new_config);
        fake_host_write(m->fake, "etc/vfio-mode.ini", "# a comment\n" CONFIG);
        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_NONE);
        assert_false(m->result.has_new_config);
        fake_host_write(m->fake, "etc/vfio-mode.ini", CONFIG "on-vm-exit = fallback\n");
        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_NONE);
        assert_int_equal(m->result.run.n_steps, 0);
        assert_true(m->result.has_new_config);
        fake_host_write(m->fake, "etc/vfio-mode.ini", "[mode\n");
        assert_int_equal(machine_switch(m, "passthrough", SOURCE_COMMAND), REFUSAL_CONFIG_INVALID);
        assert_false(m->result.has_new_config);
        machine_free(m);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_hold, holds);
        TABLE_ROWS(&table, test_after, afters);
        TABLE_ROWS(&table, test_pages, pages);
        table_add(&table, "killed when it was done", test_killed_when_it_was_done, NULL);
        table_add(&table, "no undo log can be written", test_no_undo_log, NULL);
        table_add(&table, "another write is stuck", test_stopped, NULL);
        table_add(&table, "who has the device cannot be found out", test_holders_cannot_be_found,
                  NULL);
        table_add(&table, "another configuration", test_new_config, NULL);
        return table_run("switch", &table);
}
