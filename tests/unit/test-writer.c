/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes that do not come back. A FIFO plays the attribute: who opens it for writing waits in the
 * kernel until somebody reads, which is when the test lets it go.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apply/inspect.h"
#include "apply/lock.h"
#include "apply/verbs.h"
#include "apply/writer.h"
#include "base/clock.h"
#include "boot/boot-history.h"
#include "host/process.h"
#include "host/state-files.h"
#include "real-node.h"
#include "stopped-clock.h"
#include "switch-machine.h"

#define OVERRIDE "sys/bus/pci/devices/" DISPLAY "/driver_override"
#define UNBIND "sys/bus/pci/drivers/nvidia/unbind"
#define VFIO_UNBIND "sys/bus/pci/drivers/vfio-pci/unbind"

#define CONFIG                                                       \
        "[general]\ndefault-mode = host\nfallback-mode = host\n"     \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n" \
        "[mode passthrough]\nvfio-devices = gpu\n"

/* The processes are the real ones, so that the writer is among them. */
static Machine *new_machine(const char *config) {
        Machine *m = machine_new(config);

        real_node_link_processes(m->fake, &m->root);
        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1s", 1), 0);
        return m;
}

static void make_fifo(Machine *m, const char *path) {
        if (fake_host_exists(m->fake, path))
                fake_host_remove(m->fake, path);
        assert_int_equal(mkfifoat(m->root.fd, path, 0600), 0);
}

/* Lets a writer go that waits in a FIFO, until it is done with it, and makes that a file again. */
static void release_fifo(Machine *m, const char *path) {
        char text[64];
        int fd = openat(m->root.fd, path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        while (read(fd, text, sizeof(text)) > 0)
                ;
        assert_int_equal(close(fd), 0);
        assert_int_equal(unlinkat(m->root.fd, path, 0), 0);
        fake_host_write(m->fake, path, "");
}

static RunWriter read_writer(Machine *m) {
        RunState *undo = calloc(1, sizeof(*undo));
        RunWriter writer;

        assert_int_equal(undo_read(&m->root, undo), 0);
        writer = undo->writer;
        free(undo);
        return writer;
}

/* It is a child of the test's, which ends when it has found that nobody waits for its answer. */
static void wait_for_writer(const RunWriter *writer) {
        assert_int_equal(waitpid(writer->pid, NULL, 0), writer->pid);
}

static char *read_log(Machine *m) {
        char *log = fake_host_read(m->fake, ".fake-log");

        return log ? log : strdup("");
}

/* --- the child --- */

static void test_one_child_for_all(void **state) {
        Machine *m = new_machine(CONFIG);
        const RunWrite what = { .kind = RUN_WRITE_OVERRIDE };
        Writer writer = writer_new(&m->root, false);
        int pid;

        fake_host_write(m->fake, "one", "");
        assert_int_equal(writer_write(&writer, &what, "one", "first"), 0);
        pid = writer.record.pid;
        assert_true(pid > 0 && pid != getpid());
        assert_true(process_is_there(&m->root, pid, writer.record.start));
        assert_int_equal(writer_write(&writer, &what, "two", "x"), -ENOENT);
        assert_int_equal(writer_load(&writer, &what), -EOPNOTSUPP);
        assert_int_equal(writer_load_for(&writer, &what, "pci:", MODULE_ANY), -EOPNOTSUPP);
        assert_int_equal(writer.record.pid, pid);
        writer_close(&writer);
        writer_close(&writer);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
        machine_free(m);
}

static void test_text_that_does_not_fit(void **state) {
        Machine *m = new_machine(CONFIG);
        const RunWrite what = { .kind = RUN_WRITE_OVERRIDE };
        Writer writer = writer_new(&m->root, false);
        char text[512];

        (void)memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(writer_write(&writer, &what, "one", text), -ENAMETOOLONG);
        assert_int_equal(writer_write(&writer, &what, text, "one"), -ENAMETOOLONG);
        assert_int_equal(writer.fd, -1);
        machine_free(m);
}

/* An out-of-memory killer takes it: that write failed, and the next has another child. */
static void test_killed_child(void **state) {
        Machine *m = new_machine(CONFIG);
        const RunWrite what = { .kind = RUN_WRITE_OVERRIDE };
        Writer writer = writer_new(&m->root, false);
        int pid;

        fake_host_write(m->fake, "one", "");
        assert_int_equal(writer_write(&writer, &what, "one", "first"), 0);
        pid = writer.record.pid;
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(writer_write(&writer, &what, "one", "second"), -EIO);
        assert_false(writer.is_stuck);
        assert_int_equal(writer_write(&writer, &what, "one", "third"), 0);
        assert_int_not_equal(writer.record.pid, pid);
        writer_close(&writer);
        machine_free(m);
}

/* Descriptors of ours: what it holds is its socket, the root and /dev/null. */
static void test_nothing_is_inherited(void **state) {
        Machine *m = new_machine(CONFIG);
        const RunWrite what = { .kind = RUN_WRITE_UNBIND };
        Writer writer = writer_new(&m->root, false);
        char path[64], target[512];
        int lock, n_others = 0;

        assert_int_equal(lock_take(&m->root, false, &lock), 0);
        make_fifo(m, "stalls");
        assert_int_equal(writer_write(&writer, &what, "stalls", "x"), -ETIMEDOUT);
        assert_true(writer.is_stuck);
        for (int fd = 0; fd < 64; fd++) {
                ssize_t length;

                (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", writer.record.pid, fd);
                length = readlink(path, target, sizeof(target) - 1);
                if (length < 0)
                        continue;
                target[length] = '\0';
                if (fd <= 2)
                        assert_string_equal(target, "/dev/null");
                else if (strncmp(target, "socket:", 7) != 0)
                        assert_string_equal(target, fake_host_path(m->fake));
                n_others += fd > 2;
        }
        assert_int_equal(n_others, 2);
        /* The lock is free for the next as soon as we let it go. */
        assert_int_equal(close(lock), 0);
        assert_int_equal(lock_is_held(&m->root), 0);
        writer_close(&writer);
        release_fifo(m, "stalls");
        wait_for_writer(&writer.record);
        machine_free(m);
}

static void test_deadlines(void **state) {
        Machine *m = new_machine(CONFIG);
        Writer writer;

        writer = writer_new(&m->root, 1);
        assert_int_equal(writer_deadline(&writer, RUN_WRITE_UNBIND), 1000000);
        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "soon", 1), 0);
        writer = writer_new(&m->root, 1);
        assert_int_equal(writer_deadline(&writer, RUN_WRITE_UNBIND), WRITER_EARLY_USEC);
        assert_int_equal(unsetenv(WRITER_DEADLINE_VARIABLE), 0);
        writer = writer_new(&m->root, false);
        assert_int_equal(writer_deadline(&writer, RUN_WRITE_UNBIND), WRITER_UNBIND_USEC);
        assert_int_equal(writer_deadline(&writer, RUN_WRITE_UNLOAD), WRITER_UNBIND_USEC);
        assert_int_equal(writer_deadline(&writer, RUN_WRITE_LOAD), WRITER_PROBE_USEC);
        assert_int_equal(writer_deadline(&writer, RUN_WRITE_BIND), WRITER_PROBE_USEC);
        machine_free(m);
}

/* --- a switch that gets stuck --- */

static void assert_wedged(Machine *m, const char *write) {
        assert_int_equal(m->result.run.kind, REFUSAL_WEDGED);
        assert_non_null(strstr(m->result.run.text, write));
        assert_non_null(strstr(m->result.run.text, "sysrq"));
        assert_string_equal(m->result.start, "");
}

static void check_no_mode(Machine *m) {
        RunState *now = calloc(1, sizeof(*now));

        assert_int_equal(state_read(&m->root, now), 0);
        assert_string_equal(now->mode, "");
        assert_string_equal(now->reason, m->result.run.text);
        free(now);
}

static void test_wedged(void **state) {
        Machine *m = new_machine(CONFIG);
        char *before, *after;
        RunWriter writer;
        uint64_t start;

        make_fifo(m, UNBIND);
        start = now_usec();
        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_WEDGED);
        assert_int_equal(now_usec() - start, 1000000);
        assert_wedged(m, "unbinding " DISPLAY " from nvidia");
        assert_non_null(strstr(m->result.run.text, "within 1 s"));
        assert_true(m->result.is_stranded);
        assert_int_equal(m->result.reboot, REBOOT_NONE);
        check_no_mode(m);
        writer = read_writer(m);
        assert_int_equal(writer.write.kind, RUN_WRITE_UNBIND);
        assert_string_equal(writer.write.driver, "nvidia");
        assert_true(writer.wedged > 0);
        assert_true(process_is_there(&m->root, writer.pid, writer.start));

        /* What had gone stays gone, and nothing more is written, whoever asks for what. */
        before = read_log(m);
        assert_non_null(strstr(before, "bind " AUDIO " vfio-pci ok"));
        for (unsigned i = 0; i < 2; i++) {
                start = now_usec();
                assert_int_equal(machine_switch(m, i == 0 ? "host" : "passthrough", "test"),
                                 REFUSAL_WEDGED);
                assert_int_equal(now_usec(), start);
                assert_wedged(m, "unbinding " DISPLAY " from nvidia");
                assert_false(m->result.is_stranded);
        }
        after = read_log(m);
        assert_string_equal(after, before);

        release_fifo(m, UNBIND);
        wait_for_writer(&writer);
        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_NONE);
        assert_false(fake_host_exists(m->fake, UNDO_PATH));
        free(before);
        free(after);
        machine_free(m);
}

/* On the way back, which is best effort otherwise, the same: no other function is tried. */
static void test_wedged_on_the_way_back(void **state) {
        Machine *m = new_machine(CONFIG);
        RunWriter writer;
        char *log;

        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_NONE);
        fake_host_set_faults(m->fake, NULL);
        make_fifo(m, VFIO_UNBIND);
        assert_int_equal(machine_switch(m, "host", "test"), REFUSAL_WEDGED);
        log = read_log(m);
        assert_null(strstr(log, "unbind"));
        assert_null(strstr(log, " bind"));
        writer = read_writer(m);
        release_fifo(m, VFIO_UNBIND);
        wait_for_writer(&writer);
        assert_int_equal(machine_switch(m, "host", "test"), REFUSAL_NONE);
        free(log);
        machine_free(m);
}

/* While a failure is undone. */
static void test_wedged_while_undoing(void **state) {
        Machine *m = new_machine(CONFIG);
        RunWriter writer;

        fake_host_set_faults(m->fake, "bind " DISPLAY " vfio-pci 1 EBUSY\n");
        make_fifo(m, VFIO_UNBIND);
        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_WEDGED);
        assert_wedged(m, "unbinding " AUDIO " from vfio-pci");
        writer = read_writer(m);
        release_fifo(m, VFIO_UNBIND);
        wait_for_writer(&writer);
        machine_free(m);
}

/* Its switch was killed: the next one waits as long as that would have, and goes on where it ends
 * in time. */
static void test_killed_switch(void **state) {
        for (unsigned ends = 0; ends < 2; ends++) {
                Machine *m = new_machine(CONFIG);
                RunWriter writer;
                pid_t child;
                char *log;

                make_fifo(m, UNBIND);
                assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1h", 1), 0);
                child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                        stopped_clock_wait_on();
                        (void)machine_switch(m, "passthrough", "test");
                        _exit(1);
                }
                do { /* it is at the FIFO when the log says so */
                        log = fake_host_read(m->fake, UNDO_PATH);
                } while ((!log || !strstr(log, "write=unbind " DISPLAY)) && (free(log), true));
                free(log);
                assert_int_equal(kill(child, SIGKILL), 0);
                assert_int_equal(waitpid(child, NULL, 0), child);
                writer = read_writer(m);
                assert_int_equal(writer.wedged, 0);
                assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1s", 1), 0);
                if (ends > 0)
                        release_fifo(m, UNBIND);
                assert_int_equal(machine_switch(m, "host", "test"),
                                 ends > 0 ? REFUSAL_NONE : REFUSAL_WEDGED);
                if (ends == 0) {
                        assert_true(read_writer(m).wedged > 0);
                        /* Nobody has seen to the next boot yet. */
                        assert_true(m->result.is_stranded);
                        assert_int_equal(machine_switch(m, "host", "test"), REFUSAL_WEDGED);
                        assert_false(m->result.is_stranded);
                        release_fifo(m, UNBIND);
                }
                machine_free(m);
        }
}

/* --- the late return --- */

static bool is_in_poll(pid_t pid) {
        char path[64], text[256] = "";
        FILE *file;
        long call;

        (void)snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
        file = fopen(path, "re");
        assert_non_null(file);
        call = fgets(text, sizeof(text), file) ? strtol(text, NULL, 10) : -1;
        assert_int_equal(fclose(file), 0);
#ifdef SYS_poll
        if (call == SYS_poll)
                return true;
#endif
        return call == SYS_ppoll;
}

/* Whoever waits for it in another process; it is ours to wait for the writer. Returns when it does
 * wait: what comes before that is over for it. */
static pid_t begin_late_return(Machine *m) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
                _exit((int)apply_late_return(&m->root));
        while (!is_in_poll(child)) {
                assert_int_equal(waitpid(child, &status, WNOHANG), 0);
                (void)usleep(1000);
        }
        return child;
}

static void check_mode(Machine *m, const char *mode) {
        RunState *now = calloc(1, sizeof(*now));

        assert_int_equal(state_read(&m->root, now), 0);
        assert_string_equal(now->mode, mode);
        assert_false(fake_host_exists(m->fake, UNDO_PATH));
        free(now);
}

static void test_late_return(void **state) {
        Machine *m = new_machine(CONFIG);
        RunWriter writer;
        char *driver;
        pid_t child;
        int status;

        make_fifo(m, UNBIND);
        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_WEDGED);
        writer = read_writer(m);
        child = begin_late_return(m);
        /* Not before. */
        assert_int_equal(waitpid(child, &status, WNOHANG), 0);
        check_no_mode(m);
        release_fifo(m, UNBIND);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        wait_for_writer(&writer);
        check_mode(m, "host");
        driver = fake_host_driver(m->fake, AUDIO);
        assert_string_equal(driver, "snd_hda_intel");
        free(driver);
        machine_free(m);
}

/* Nobody's switch is undone: neither one that is done, nor one under way. */
static void test_late_return_after_a_switch(void **state) {
        Machine *m = new_machine(CONFIG);
        RunWriter writer;
        int lock, status;
        pid_t child;

        assert_int_equal(apply_late_return(&m->root), REFUSAL_NONE);
        assert_false(fake_host_exists(m->fake, RESULT_PATH));

        make_fifo(m, UNBIND);
        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_WEDGED);
        writer = read_writer(m);
        assert_int_equal(lock_take(&m->root, false, &lock), 0);
        child = begin_late_return(m);
        release_fifo(m, UNBIND);
        wait_for_writer(&writer);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        check_no_mode(m);
        assert_int_equal(close(lock), 0);
        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_NONE);
        assert_int_equal(apply_late_return(&m->root), REFUSAL_NONE);
        check_mode(m, "passthrough");
        machine_free(m);
}

static void test_inspect(void **state) {
        Inspection *inspection = calloc(1, sizeof(*inspection));
        Machine *m = new_machine(CONFIG);
        RunWriter writer;

        make_fifo(m, UNBIND);
        assert_int_equal(machine_switch(m, "passthrough", "test"), REFUSAL_WEDGED);
        writer = read_writer(m);
        /* Whoever opened the attribute would wait for ever. */
        make_fifo(m, OVERRIDE);
        assert_int_equal(inspect(&m->root, "host", inspection), 0);
        assert_int_equal(inspection->kind, REFUSAL_WEDGED);
        assert_non_null(strstr(inspection->text, DISPLAY));
        fake_host_remove(m->fake, OVERRIDE);
        fake_host_write(m->fake, OVERRIDE, "vfio-pci\n");
        release_fifo(m, UNBIND);
        wait_for_writer(&writer);
        free(inspection);
        machine_free(m);
}

/* --- at boot --- */

/* A command line of the test's own. */
static void make_proc(Machine *m) {
        assert_int_equal(unlinkat(m->root.fd, "proc", 0), 0);
        fake_host_write(m->fake, "proc/cmdline", "quiet\n");
        fake_host_write(m->fake, "proc/sys/kernel/random/boot_id",
                        "0b1c0b1c-0b1c-0b1c-0b1c-0b1c0b1c0b1c\n");
}

/* Within the time that the boot unit has, and with the mode that it would go to instead. */
static void test_boot(void **state) {
        Machine *m = new_machine("[general]\ndefault-mode = passthrough\nfallback-mode = host\n"
                                 "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n"
                                 "[mode passthrough]\nvfio-devices = gpu\non-wedged = reboot\n");
        BootRecord record;
        RunWriter writer;
        RunResult result;
        uint64_t start;

        assert_int_equal(unsetenv(WRITER_DEADLINE_VARIABLE), 0);
        make_proc(m);
        fake_host_add_next_processes(m->fake);
        fake_host_write(m->fake, "var/lib/vfio-mode/.keep", "");
        make_fifo(m, UNBIND);
        start = now_usec();
        assert_int_equal(apply_boot(&m->root), REFUSAL_WEDGED);
        assert_int_equal(now_usec() - start, WRITER_EARLY_ALL_USEC);
        assert_int_equal(boot_result_read(&m->root, &result), 0);
        assert_int_equal(result.kind, REFUSAL_WEDGED);
        assert_string_equal(result.mode, "host");
        assert_non_null(strstr(result.text, "unbinding " DISPLAY));
        assert_int_equal(boot_record_read(&m->root, BOOT_RECORD_PATH, &record), 0);
        assert_int_equal(record.kind, REFUSAL_WEDGED);
        assert_int_equal(record.unconfirmed, 1);
        writer = read_writer(m);
        release_fifo(m, UNBIND);
        wait_for_writer(&writer);
        fake_host_remove(m->fake, "proc");
        fake_host_write(m->fake, "proc/cmdline", "");
        machine_free(m);
}

/* A write that came back meanwhile: the second try ends whole, and so that is no wedged boot. */
static void test_boot_that_is_whole_again(void **state) {
        Machine *m = new_machine("[general]\ndefault-mode = passthrough\nfallback-mode = host\n"
                                 "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n"
                                 "[mode passthrough]\nvfio-devices = gpu\n");
        BootRecord record;
        RunResult result;

        /* Where nobody finds the writer's process it counts as gone. */
        make_proc(m);
        fake_host_write(m->fake, "var/lib/vfio-mode/.keep", "");
        make_fifo(m, UNBIND);
        assert_int_equal(apply_boot(&m->root), REFUSAL_FAILED);
        assert_int_equal(boot_result_read(&m->root, &result), 0);
        assert_int_equal(result.kind, REFUSAL_FAILED);
        assert_string_equal(result.mode, "host");
        assert_non_null(strstr(result.text, "unbinding " DISPLAY));
        assert_int_equal(boot_record_read(&m->root, BOOT_RECORD_PATH, &record), 0);
        assert_string_equal(record.mode, "host");
        assert_int_equal(record.unconfirmed, 1);
        assert_false(fake_host_exists(m->fake, UNDO_PATH));
        release_fifo(m, UNBIND);
        assert_true(waitpid(-1, NULL, 0) > 0);
        fake_host_remove(m->fake, "proc");
        fake_host_write(m->fake, "proc/cmdline", "");
        machine_free(m);
}

/* All writes of a boot together have a time. What is not done by then is undone, for which there is
 * some more. */
static void test_boot_has_an_end(void **state) {
        Machine *m = new_machine(CONFIG);
        const RunWrite what = { .kind = RUN_WRITE_OVERRIDE };
        SwitchRequest request = { .verb = "boot",
                                  .mode = "passthrough",
                                  .source = "test",
                                  .reason = "a test",
                                  .early = true,
                                  .without_units = true };
        char *before = fake_host_snapshot(m->fake), *after;
        Writer writer;

        assert_int_equal(unsetenv(WRITER_DEADLINE_VARIABLE), 0);
        writer = writer_new(&m->root, now_usec() - WRITER_EARLY_ALL_USEC);
        assert_int_equal(writer_write(&writer, &what, "text", "a"), -ETIME);
        assert_int_equal(writer.fd, -1);
        assert_false(writer.is_stuck);
        writer_begin_return(&writer);
        fake_host_write(m->fake, "text", "");
        assert_int_equal(writer_write(&writer, &what, "text", "a"), 0);
        assert_true(writer.waited_usec <= WRITER_EARLY_UNDO_USEC);
        writer.early_end = now_usec();
        assert_int_equal(writer_write(&writer, &what, "text", "a"), -ETIME);
        writer_close(&writer);
        fake_host_remove(m->fake, "text");

        request.early_since = now_usec() - WRITER_EARLY_ALL_USEC;
        assert_int_equal(switch_run(&m->root, &request, &m->result), REFUSAL_FAILED);
        assert_non_null(strstr(m->result.run.text, "The boot is not held up for longer"));
        after = fake_host_snapshot(m->fake);
        assert_string_equal(after, before);
        free(before);
        free(after);
        machine_free(m);
}

/* --- the reset --- */

static void test_on_wedged(void **state) {
        static const struct {
                const char *from, *to; /* the way that gets stuck */
                const char *stuck;
                const char *key;
                Reboot reboot;
        } rows[] = {
                { NULL, "passthrough", UNBIND, "on-wedged = reboot\n", REBOOT_BY_FORCE },
                { NULL, "passthrough", UNBIND, "on-wedged = stay\n", REBOOT_NONE },
                { "passthrough", "host", VFIO_UNBIND, "on-wedged = reboot\n", REBOOT_BY_FORCE },
                { "passthrough", "host", VFIO_UNBIND, "[mode host]\non-wedged = reboot\n",
                  REBOOT_BY_FORCE },
                { NULL, "passthrough", UNBIND, "[mode other]\non-wedged = reboot\n", REBOOT_NONE },
                { "passthrough", "host", VFIO_UNBIND, "[mode other]\non-wedged = reboot\n",
                  REBOOT_NONE },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char config[512];
                RunWriter writer;
                Machine *m;

                (void)snprintf(config, sizeof(config), "%s%s", CONFIG, rows[i].key);
                m = new_machine(config);
                if (rows[i].from)
                        assert_int_equal(machine_switch(m, rows[i].from, "test"), REFUSAL_NONE);
                make_fifo(m, rows[i].stuck);
                assert_int_equal(machine_switch(m, rows[i].to, "test"), REFUSAL_WEDGED);
                assert_int_equal(m->result.reboot, rows[i].reboot);
                /* Once is enough: who asks again is told. */
                assert_int_equal(machine_switch(m, rows[i].to, "test"), REFUSAL_WEDGED);
                assert_int_equal(m->result.reboot, REBOOT_NONE);
                writer = read_writer(m);
                release_fifo(m, rows[i].stuck);
                wait_for_writer(&writer);
                machine_free(m);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_child_for_all),
                cmocka_unit_test(test_text_that_does_not_fit),
                cmocka_unit_test(test_killed_child),
                cmocka_unit_test(test_nothing_is_inherited),
                cmocka_unit_test(test_deadlines),
                cmocka_unit_test(test_wedged),
                cmocka_unit_test(test_wedged_on_the_way_back),
                cmocka_unit_test(test_wedged_while_undoing),
                cmocka_unit_test(test_killed_switch),
                cmocka_unit_test(test_late_return),
                cmocka_unit_test(test_late_return_after_a_switch),
                cmocka_unit_test(test_inspect),
                cmocka_unit_test(test_boot),
                cmocka_unit_test(test_boot_that_is_whole_again),
                cmocka_unit_test(test_boot_has_an_end),
                cmocka_unit_test(test_on_wedged),
        };

        return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
