/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes to a pool of hugepages that take too long. The fake kernel's "stall" is one that a signal
 * ends; where signals are lost it is one that nothing ends.
 */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apply/verbs.h"
#include "apply/writer.h"
#include "base/clock.h"
#include "host/memory-scan.h"
#include "host/process.h"
#include "host/state-files.h"
#include "stopped-clock.h"
#include "switch-machine.h"

#define SMALL "hugepages-2048kB"
#define PAGES 200
#define PIECE 64 /* pages, of one write */
#define STUCK "changing how many hugepages of 2M there are"

#define CONFIG                                                       \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n" \
        "[mode other]\n"                                             \
        "[mode guest]\nvfio-devices = gpu\nhugepages-2M = 200\n"

static bool signals_are_lost;

/* In the place of libc's: what is in the kernel for good does not see them. */
int kill(pid_t pid, int signal) {
        return signals_are_lost ? 0 : (int)syscall(SYS_kill, pid, signal);
}

/* The processes are real, so that the writer is among them; memory is not. */
static Machine *new_machine(const char *config) {
        Machine *m = machine_new(config);

        fake_host_add_memory(m->fake, 1024);
        fake_host_add_next_processes(m->fake);
        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1s", 1), 0);
        return m;
}

static void end_machine(Machine *m) {
        signals_are_lost = false;
        machine_free(m);
}

/* From the Nth write to the pool on, signals lost or not. */
static void stall(Machine *m, unsigned nth, bool for_good) {
        char fault[64];

        (void)snprintf(fault, sizeof(fault), "hugepages - * %u stall\n", nth);
        fake_host_set_faults(m->fake, fault);
        signals_are_lost = for_good;
}

static unsigned pool(const Machine *m) {
        return fake_host_pool(m->fake, SMALL);
}

static void assert_home(const Machine *m) {
        char *after = fake_host_snapshot(m->fake);

        assert_string_equal(after, m->before);
        free(after);
}

static void assert_in_mode(const Machine *m, const char *mode, bool remembers_pool) {
        RunState *now = calloc(1, sizeof(*now));

        assert_int_equal(state_read(&m->root, now), 0);
        assert_string_equal(now->mode, mode);
        assert_int_equal(now->home_pools[HUGEPAGE_2M].is_known, remembers_pool);
        assert_int_equal(now->home_pools[HUGEPAGE_2M].pages, 0);
        free(now);
}

static RunWriter read_writer(const Machine *m) {
        RunState *undo = calloc(1, sizeof(*undo));
        RunWriter writer;

        assert_int_equal(undo_read(&m->root, undo), 0);
        writer = undo->writer;
        free(undo);
        return writer;
}

/* It is a child of the test's: what it was at has come back. */
static void let_return(const RunWriter *writer) {
        signals_are_lost = false;
        assert_int_equal(kill(writer->pid, SIGKILL), 0);
        assert_int_equal(waitpid(writer->pid, NULL, 0), writer->pid);
}

/* Who was left to itself. */
static int only_child(void) {
        FILE *file = fopen("/proc/thread-self/children", "re");
        int pid;

        assert_non_null(file);
        assert_int_equal(fscanf(file, "%d", &pid), 1);
        assert_int_equal(fclose(file), 0);
        return pid;
}

/* --- the child --- */

static void test_the_same_child(void **state) {
        Machine *m = new_machine(CONFIG);
        const RunWrite override = { .kind = RUN_WRITE_OVERRIDE };
        const RunWrite what = run_write(RUN_WRITE_HUGEPAGES, (PciAddress){ 0 }, "2M");
        const char *path = HUGEPAGES_DIR "/" SMALL "/nr_hugepages";
        Writer writer = writer_new(&m->root, 0);
        int pid;

        fake_host_write(m->fake, "one", "");
        assert_int_equal(writer_write(&writer, &override, "one", "first"), 0);
        pid = writer.record.pid;
        assert_int_equal(writer_write_pool(&writer, &what, path, "7\n", 1000000), 0);
        assert_int_equal(writer.record.pid, pid);
        assert_int_equal(pool(m), 7);
        assert_int_equal(writer_write_pool(&writer, &what, path, "many\n", 1000000), -EINVAL);

        /* Killed by others. */
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(writer_write_pool(&writer, &what, path, "8\n", 1000000), -EIO);
        assert_false(writer.is_stuck);
        assert_int_equal(writer_write_pool(&writer, &what, path, "9\n", 1000000), 0);
        assert_int_not_equal(writer.record.pid, pid);
        assert_int_equal(pool(m), 9);

        /* By us, since it takes too long. */
        pid = writer.record.pid;
        stall(m, 1, false);
        assert_int_equal(writer_write_pool(&writer, &what, path, "10\n", 100000), -ECANCELED);
        assert_false(writer.is_stuck);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
        assert_int_equal(writer_write_pool(&writer, &what, path, "10\n", 1000000), 0);
        assert_int_equal(pool(m), 10);

        /* Not even by us. */
        pid = writer.record.pid;
        stall(m, 1, true);
        assert_int_equal(writer_write_pool(&writer, &what, path, "11\n", 100000), -ETIMEDOUT);
        assert_true(writer.is_stuck);
        assert_int_equal(writer.waited_usec, 100000 + 1000000);
        assert_int_equal(writer_write(&writer, &override, "one", "second"), -ETIMEDOUT);
        writer_leave(&writer);
        assert_int_equal(writer_write(&writer, &override, "one", "third"), 0);
        assert_int_not_equal(writer.record.pid, pid);
        writer_close(&writer);
        let_return(&(RunWriter){ .pid = pid });
        end_machine(m);
}

/* --- one that a signal ends --- */

static void test_too_slow(void **state) {
        for (unsigned is_enough = 0; is_enough < 2; is_enough++) {
                char config[512];
                Machine *m;

                (void)snprintf(config, sizeof(config), CONFIG "hugepages-min = %d\n",
                               is_enough ? PIECE : PAGES);
                m = new_machine(config);
                stall(m, 2, false);
                assert_int_equal(machine_switch(m, "guest", "test"),
                                 is_enough ? REFUSAL_NONE : REFUSAL_NO_MEMORY);
                assert_false(fake_host_exists(m->fake, UNDO_PATH));
                assert_int_equal(pool(m), is_enough ? PIECE : 0);
                if (is_enough == 0) {
                        assert_non_null(strstr(m->result.run.text, "Only 64 hugepages of 2M"));
                        assert_home(m);
                }
                end_machine(m);
        }
}

/* Giving back is not worth a screen either. */
static void test_too_slow_on_the_way_back(void **state) {
        for (unsigned for_good = 0; for_good < 2; for_good++) {
                Machine *m = new_machine(CONFIG);
                char *undo;

                assert_int_equal(machine_switch(m, "guest", "test"), REFUSAL_NONE);
                stall(m, 1, for_good);
                assert_int_equal(machine_switch(m, "host", "test"), REFUSAL_NONE);
                signals_are_lost = false;
                assert_home(m);
                assert_int_equal(pool(m), PAGES);
                assert_in_mode(m, "host", true);
                undo = fake_host_read(m->fake, UNDO_PATH);
                assert_null(undo);
                assert_int_equal(machine_switch(m, "host", "test"), REFUSAL_NONE);
                assert_int_equal(pool(m), 0);
                assert_in_mode(m, "host", false);
                if (for_good)
                        let_return(&(RunWriter){ .pid = only_child() });
                assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
                end_machine(m);
        }
}

/* Its switch was killed, and nobody would ever end it; the deadline is an hour. */
static void test_killed_switch(void **state) {
        Machine *m = new_machine(CONFIG);
        RunWriter writer;
        pid_t child;
        char *log;

        stall(m, 2, false);
        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1h", 1), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                stopped_clock_wait_on();
                (void)machine_switch(m, "guest", "test");
                _exit(1);
        }
        do { /* it is in the kernel when that says so */
                log = fake_host_read(m->fake, ".fake-log");
        } while ((!log || !strstr(log, "EINPROGRESS")) && (free(log), true));
        free(log);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        writer = read_writer(m);
        assert_int_equal(writer.write.kind, RUN_WRITE_HUGEPAGES);
        assert_string_equal(writer.write.driver, "2M");
        assert_true(process_is_there(&m->root, writer.pid, writer.start));
        assert_int_equal(machine_switch(m, "guest", "test"), REFUSAL_NONE);
        assert_false(process_is_there(&m->root, writer.pid, writer.start));
        assert_int_equal(pool(m), PAGES);
        assert_in_mode(m, "guest", true);
        end_machine(m);
}

/* --- one that nothing ends --- */

static void assert_wedged(const Machine *m, const char *how) {
        assert_int_equal(m->result.run.kind, REFUSAL_WEDGED);
        assert_int_equal(refusal_exit_code(m->result.run.kind), EXIT_CODE_WEDGED);
        assert_non_null(strstr(m->result.run.text, how));
        assert_non_null(strstr(m->result.run.text, STUCK));
        assert_non_null(strstr(m->result.run.text,
                               "nothing is switched but to the fallback mode. If it never does, a "
                               "reboot helps."));
        assert_string_equal(m->result.start, "");
        assert_int_equal(m->result.reboot, REBOOT_NONE);
}

/* With the GPU where it was, and on-wedged = reboot is for drivers. */
static Machine *get_stuck(RunWriter *ret) {
        Machine *m = new_machine(CONFIG "on-wedged = reboot\n");
        const char *line;
        char *log;

        stall(m, 2, true);
        assert_int_equal(machine_switch(m, "guest", "test"), REFUSAL_WEDGED);
        assert_wedged(m, "did not come back within 2 s. No device waits for it");
        assert_true(m->result.is_stranded);
        *ret = read_writer(m);
        assert_int_equal(ret->write.kind, RUN_WRITE_HUGEPAGES);
        assert_true(ret->wedged > 0);
        /* Of its two writes one line: a pool may take more than a log has room for. */
        log = fake_host_read(m->fake, UNDO_PATH);
        line = strstr(log, "write=");
        assert_non_null(line);
        assert_int_equal(strncmp(line, "write=hugepages 0000:00:00.0 2M\nwedged=", 39), 0);
        free(log);
        assert_in_mode(m, "", true);
        assert_home(m);
        assert_int_equal(pool(m), PIECE);
        return m;
}

static void test_wedged(void **state) {
        RunWriter writer;
        Machine *m = get_stuck(&writer);
        uint64_t start;

        /* Nothing else, and at once; the way back is open, and does not lose sight of the pool. */
        fake_host_set_faults(m->fake, NULL);
        start = now_usec();
        assert_int_equal(machine_switch(m, "other", "test"), REFUSAL_WEDGED);
        assert_wedged(m, "Still stuck");
        assert_int_equal(machine_switch(m, "guest", "test"), REFUSAL_WEDGED);
        assert_int_equal(pool(m), PIECE);
        assert_int_equal(machine_switch(m, "host", "test"), REFUSAL_NONE);
        assert_int_equal(now_usec(), start);
        assert_int_equal(pool(m), 0);
        assert_in_mode(m, "host", true);

        /* What it had found comes late. */
        fake_host_set_pool(m->fake, SMALL, 1, 1);
        let_return(&writer);
        assert_int_equal(machine_switch(m, "host", "test"), REFUSAL_NONE);
        assert_int_equal(pool(m), 0);
        assert_in_mode(m, "host", false);
        end_machine(m);
}

static void test_late_return(void **state) {
        RunWriter writer;
        Machine *m = get_stuck(&writer);

        fake_host_set_faults(m->fake, NULL);
        let_return(&writer);
        assert_int_equal(apply_late_return(&m->root), REFUSAL_NONE);
        assert_int_equal(pool(m), 0);
        assert_home(m);
        assert_in_mode(m, "host", false);
        assert_false(fake_host_exists(m->fake, UNDO_PATH));
        end_machine(m);
}

/* --- at boot --- */

/* The second and a half that the boot is held up for is kept; what then goes on is the fallback
 * mode. */
static void test_boot(void **state) {
        for (unsigned for_good = 0; for_good < 2; for_good++) {
                Machine *m = new_machine(CONFIG);
                SwitchRequest request = { .verb = "boot",
                                          .mode = "guest",
                                          .source = "boot",
                                          .reason = "a test",
                                          .early = true,
                                          .without_units = true };
                uint64_t start = now_usec(), end;
                RunWriter writer = { 0 };

                assert_int_equal(unsetenv(WRITER_DEADLINE_VARIABLE), 0);
                stall(m, 2, for_good);
                request.early_since = start;
                assert_int_equal(switch_run(&m->root, &request, &m->result),
                                 for_good ? REFUSAL_WEDGED : REFUSAL_NO_MEMORY);
                end = now_usec();
                /* The boot's patience with a pool, and what is left for the signal to be seen. */
                assert_int_equal(end - start, for_good ? WRITER_EARLY_ALL_USEC : 1500000);
                if (for_good)
                        writer = read_writer(m);
                fake_host_set_faults(m->fake, NULL);
                request.mode = "host";
                assert_int_equal(switch_run(&m->root, &request, &m->result), REFUSAL_NONE);
                assert_int_equal(now_usec(), end);
                assert_int_equal(pool(m), 0);
                assert_home(m);
                if (for_good)
                        let_return(&writer);
                end_machine(m);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_same_child),
                cmocka_unit_test(test_too_slow),
                cmocka_unit_test(test_too_slow_on_the_way_back),
                cmocka_unit_test(test_killed_switch),
                cmocka_unit_test(test_wedged),
                cmocka_unit_test(test_late_return),
                cmocka_unit_test(test_boot),
        };

        return cmocka_run_group_tests_name("pool-writer", tests, NULL, NULL);
}
