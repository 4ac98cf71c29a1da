/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs that units run beside a switch's own: leave, fallback, replug and cut-short. */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apply/lock.h"
#include "apply/switch.h"
#include "apply/verbs.h"
#include "apply/writer.h"
#include "base/log.h"
#include "fake-pc.h"
#include "host/config-load.h"
#include "host/origin-file.h"
#include "host/state-files.h"
#include "table.h"

#define DISPLAY "0000:01:00.0"
#define CONFIG                                                                   \
        "[general]\nfallback-mode = host\n[device gpu]\naddress = " DISPLAY "\n" \
        "consent = boot-vga\n[mode passthrough]\nvfio-devices = gpu\n[mode desk]\n"
#define WAIT_MS 1 /* between looks at /proc/locks, of which the kernel tells nobody */

static int set_up(void **state) {
        FakePC *pc = fake_pc_new();

        log_set_max_level(LOG_EMERG - 1);
        fake_host_add_gpu(pc->fake, DISPLAY, .group = 12, .driver = "nvidia", .audio = true,
                          .boot_vga = true);
        fake_host_write(pc->fake, "etc/vfio-mode.ini", CONFIG);
        assert_int_equal(apply_switch(&pc->root, "passthrough", true), REFUSAL_NONE);
        fake_pc_check_driver(pc, DISPLAY, "vfio-pci");
        *state = pc;
        return 0;
}

static void check_mode(const FakePC *pc, const char *mode) {
        RunState *now = calloc(1, sizeof(*now));

        assert_non_null(now);
        assert_int_equal(state_read(&pc->root, now), 0);
        assert_string_equal(now->mode, mode);
        free(now);
}

/* --- leave --- */

/* A line of /proc/locks: "1: -> POSIX  ADVISORY  READ  1234 ..." of who waits. */
static bool waits_for_a_lock(pid_t pid) {
        FILE *file = fopen("/proc/locks", "re");
        char line[256], who[32];
        bool waits = false;

        (void)snprintf(who, sizeof(who), " %d ", (int)pid);
        while (file && fgets(line, sizeof(line), file))
                waits |= strstr(line, "-> POSIX") && strstr(line, who);
        if (file)
                (void)fclose(file);
        return waits;
}

typedef enum Holding {
        HOLDS,
        STOPS,
        AWAITS_END
} Holding;

/* Holds the lock, until who forked it waits for it, or is done without. Its status says which. */
__attribute__((noreturn)) static void hold_lock(const Root *root, Holding how, int ready,
                                                int done) {
        struct pollfd parent = { .fd = done, .events = POLLIN };
        int lock;

        if ((how == AWAITS_END ? lock_await_end(root, &lock) : lock_take(root, false, &lock)) < 0)
                _exit(2);
        if (how == STOPS && lock_begin_stopping(lock) < 0)
                _exit(2);
        (void)close(ready);
        do {
                if (waits_for_a_lock(getppid()))
                        _exit(0);
        } while (poll(&parent, 1, WAIT_MS) == 0);
        _exit(1);
}

static void leave(const FakePC *pc) {
        assert_int_equal(apply_leave(&pc->root, "passthrough"), REFUSAL_NONE);
}

/* Acts while somebody else has the lock. Returns whether it was waited for. */
static bool is_awaited(const FakePC *pc, Holding how, void (*act)(const FakePC *pc)) {
        int ready[2], done[2], status;
        char byte;
        pid_t pid;

        assert_true(pipe2(ready, O_CLOEXEC) == 0 && pipe2(done, O_CLOEXEC) == 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)close(done[1]);
                hold_lock(&pc->root, how, ready[1], done[0]);
        }
        (void)close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 0);
        act(pc);
        (void)close(done[1]);
        (void)close(done[0]);
        (void)close(ready[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        return WEXITSTATUS(status) == 0;
}

/* Who stops the unit by hand while a ROM is read, or a switch is about to be refused, gets the
 * screen back all the same. */
static void test_leave_beside_somebody(void **state) {
        const FakePC *pc = *state;

        assert_true(is_awaited(pc, HOLDS, leave));
        check_mode(pc, "host");
        fake_pc_check_driver(pc, DISPLAY, "nvidia");
}

/* Who is on the way elsewhere waits for us. */
static void test_leave_for_a_switch(void **state) {
        const FakePC *pc = *state;

        assert_false(is_awaited(pc, STOPS, leave));
        check_mode(pc, "passthrough");
        fake_pc_check_driver(pc, DISPLAY, "vfio-pci");
}

/* Another mode is on by then. */
static void test_leave_what_is_left(void **state) {
        const FakePC *pc = *state;

        assert_int_equal(apply_leave(&pc->root, "desk"), REFUSAL_NONE);
        check_mode(pc, "passthrough");
        assert_int_equal(unlinkat(pc->root.fd, LOCK_PATH, 0), 0);
        assert_int_equal(apply_leave(&pc->root, "passthrough"), REFUSAL_NONE);
        check_mode(pc, "host");
}

/* --- who awaits the end of a switch --- */

static void begin_a_switch(const FakePC *pc) {
        int lock;

        assert_int_equal(lock_take(&pc->root, false, &lock), 0);
        assert_int_equal(close(lock), 0);
}

static void look_for_a_switch(const FakePC *pc) {
        assert_int_equal(lock_is_held(&pc->root), 0);
}

/* Another one that begins just then is not refused, and nobody is told that there is one. */
static void test_beside_who_awaits_the_end(void **state) {
        const FakePC *pc = *state;

        assert_true(is_awaited(pc, AWAITS_END, begin_a_switch));
        assert_false(is_awaited(pc, AWAITS_END, look_for_a_switch));
}

/* --- fallback --- */

static void check_origin(const FakePC *pc, const char *source, const char *reason) {
        RunState *now = calloc(1, sizeof(*now));

        assert_non_null(now);
        assert_int_equal(state_read(&pc->root, now), 0);
        assert_string_equal(now->mode, "host");
        assert_string_equal(now->source, source);
        assert_string_equal(now->reason, reason);
        free(now);
}

/* Killed while it waits for a switch. */
static void kill_fallback(const FakePC *pc) {
        struct timespec interval = { .tv_nsec = WAIT_MS * 1000000L };
        int lock, status;
        pid_t pid;

        assert_int_equal(lock_take(&pc->root, false, &lock), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)apply_fallback(&pc->root);
                _exit(0);
        }
        while (!waits_for_a_lock(pid) && waitpid(pid, &status, WNOHANG) == 0)
                (void)nanosleep(&interval, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(close(lock), 0);
}

/* On whose behalf the way back is, which also says whether it holds the mode. */
static void test_fallback_again(void **state) {
        const FakePC *pc = *state;

        assert_int_equal(mkdirat(pc->root.fd, "run/vfio-mode-guard", 0755), 0);
        assert_int_equal(
                origin_leave(&pc->root, GUARD_ORIGIN_PATH, "host", SOURCE_VM_EXIT, "it ended", ""),
                0);
        kill_fallback(pc);
        check_mode(pc, "passthrough");
        assert_int_equal(apply_fallback(&pc->root), REFUSAL_NONE);
        check_origin(pc, SOURCE_VM_EXIT, "it ended");
        assert_false(fake_host_exists(pc->fake, GUARD_ORIGIN_PATH));
}

/* Of another time, or of a mode that is the fallback mode no more. */
static void test_fallback_old_word(void **state) {
        static const char *const words[] = { "mode=host\nsource=vm-exit\nreason=x\ntime=1\n",
                                             "mode=desk\nsource=vm-exit\nreason=x\ntime=1\n", "?" };
        const FakePC *pc = *state;

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                fake_host_write(pc->fake, GUARD_ORIGIN_PATH, words[i]);
                if (i == 0) {
                        kill_fallback(pc);
                        assert_false(fake_host_exists(pc->fake, GUARD_ORIGIN_PATH));
                }
                assert_int_equal(apply_fallback(&pc->root), REFUSAL_NONE);
                check_origin(pc, SOURCE_FALLBACK, "the fallback mode was asked for");
                assert_false(fake_host_exists(pc->fake, GUARD_ORIGIN_PATH));
                assert_int_equal(apply_switch(&pc->root, "passthrough", true), REFUSAL_NONE);
        }
}

/* systemd names a unit that has us as its OnFailure= also where it runs, and somebody starts us. */
static void test_fallback_of_a_unit(void **state) {
        static const char *const results[][2] = {
                { "exit-code", "vm.service has failed (exit-code)" },
                { "success", "the fallback mode was asked for" },
        };
        const FakePC *pc = *state;

        assert_int_equal(setenv("MONITOR_UNIT", "vm.service", true), 0);
        for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
                assert_int_equal(setenv("MONITOR_SERVICE_RESULT", results[i][0], true), 0);
                assert_int_equal(apply_fallback(&pc->root), REFUSAL_NONE);
                check_origin(pc, SOURCE_FALLBACK, results[i][1]);
                assert_int_equal(apply_switch(&pc->root, "passthrough", true), REFUSAL_NONE);
        }
        assert_int_equal(unsetenv("MONITOR_UNIT"), 0);
        assert_int_equal(unsetenv("MONITOR_SERVICE_RESULT"), 0);
}

/* --- replug --- */

#define UNBIND "sys/bus/pci/drivers/nvidia/unbind"
#define NOTICE "run/issue.d/vfio-mode.issue"

/* As the host's driver finds it that is faster than udev. */
static void come_back(const FakePC *pc) {
        fake_host_set_driver(pc->fake, DISPLAY, "nvidia");
        fake_host_set_override(pc->fake, DISPLAY, "vfio-pci");
        assert_int_equal(unlinkat(pc->root.fd, RESULT_PATH, 0), 0);
}

static RefusalKind last_result(const FakePC *pc) {
        RunResult result;

        return result_read(&pc->root, &result) < 0 ? REFUSAL_NONE : result.kind;
}

/* The mode goes on without the function, and says so as drift. */
static void test_replug_that_is_undone(void **state) {
        const FakePC *pc = *state;

        come_back(pc);
        fake_host_set_faults(pc->fake, "bind " DISPLAY " vfio-pci 1 EBUSY\n");
        assert_int_equal(apply_replug(&pc->root, DISPLAY), REFUSAL_FAILED);
        fake_pc_check_driver(pc, DISPLAY, "nvidia");
        check_mode(pc, "passthrough");
        assert_int_equal(last_result(pc), REFUSAL_NONE);
}

static void test_replug_half_way(void **state) {
        const SwitchRequest request = { .verb = "replug",
                                        .source = "replug",
                                        .reason = "a test",
                                        .without_units = true,
                                        .mend_only = true };
        const FakePC *pc = *state;
        SwitchResult result;

        come_back(pc);
        fake_host_set_faults(pc->fake, "bind " DISPLAY " vfio-pci * EBUSY\nbind " DISPLAY
                                       " nvidia * EBUSY\n");
        assert_int_equal(apply_replug(&pc->root, DISPLAY), REFUSAL_HALF_WAY);
        check_mode(pc, "");
        assert_int_equal(last_result(pc), REFUSAL_HALF_WAY);

        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_HALF_WAY);
        fake_host_set_faults(pc->fake, NULL);
        assert_int_equal(apply_switch(&pc->root, "passthrough", true), REFUSAL_NONE);
        come_back(pc);
        fake_host_set_faults(pc->fake, "bind " DISPLAY " vfio-pci * EBUSY\nbind " DISPLAY
                                       " nvidia * EBUSY\n");
        assert_int_equal(switch_run(&pc->root, &request, &result), REFUSAL_HALF_WAY);
        assert_string_equal(result.start, "host");
}

/* It is said, and the next boot is seen to, as with any switch. */
static void test_replug_that_gets_stuck(void **state) {
        const FakePC *pc = *state;
        char text[64];
        int fd;

        come_back(pc);
        assert_int_equal(unlinkat(pc->root.fd, UNBIND, 0), 0);
        assert_int_equal(mkfifoat(pc->root.fd, UNBIND, 0600), 0);
        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1s", true), 0);
        assert_int_equal(apply_replug(&pc->root, DISPLAY), REFUSAL_WEDGED);
        assert_int_equal(unsetenv(WRITER_DEADLINE_VARIABLE), 0);
        check_mode(pc, "");
        assert_int_equal(last_result(pc), REFUSAL_WEDGED);
        assert_true(fake_host_exists(pc->fake, NOTICE));

        fd = openat(pc->root.fd, UNBIND, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        while (read(fd, text, sizeof(text)) > 0)
                ;
        assert_int_equal(close(fd), 0);
        assert_true(wait(NULL) > 0);
}

/* --- going on --- */

/* After a restart that was refused, for whatever reason. */
static void test_go_on(void **state) {
        const FakePC *pc = *state;

        fake_host_write(pc->fake, "etc/vfio-mode.ini", "[mode");
        fake_host_set_driver(pc->fake, DISPLAY, "nvidia");
        assert_int_equal(apply_switch(&pc->root, "passthrough", false), REFUSAL_CONFIG_INVALID);
        assert_int_equal(
                origin_leave(&pc->root, APPLY_ORIGIN_PATH, "passthrough", "stay", "why", ""), 0);
        assert_int_equal(apply_switch(&pc->root, "passthrough", false), REFUSAL_NONE);
        check_mode(pc, "passthrough");
        fake_pc_check_driver(pc, DISPLAY, "nvidia");
        assert_int_equal(last_result(pc), REFUSAL_CONFIG_INVALID);
}

/* The machine went elsewhere before that. */
static void test_go_on_too_late(void **state) {
        const FakePC *pc = *state;

        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_NONE);
        assert_int_equal(
                origin_leave(&pc->root, APPLY_ORIGIN_PATH, "passthrough", "stay", "why", ""), 0);
        assert_int_equal(apply_switch(&pc->root, "passthrough", false), REFUSAL_FAILED);
        check_mode(pc, "host");
        fake_pc_check_driver(pc, DISPLAY, "nvidia");
}

/* --- the record --- */

/* Where /run is full: the host's card is not taken from it when it is plugged in anew. */
static void test_no_record(void **state) {
        const FakePC *pc = *state;

        assert_true(fake_host_exists(pc->fake, VFIO_MARKS_DIR "/" DISPLAY));
        fake_host_remove(pc->fake, STATUS_PATH);
        fake_host_write(pc->fake, STATUS_PATH "/in-the-way", "");
        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_NONE);
        fake_pc_check_driver(pc, DISPLAY, "nvidia");
        assert_false(fake_host_exists(pc->fake, VFIO_MARKS_DIR "/" DISPLAY));
}

/* What another version has written, which has words of its own also in the configuration. */
static void test_nothing_is_understood(void **state) {
        static const char *const paths[] = { STATUS_PATH, CONFIG_ACCEPTED_PATH,
                                             "etc/vfio-mode.ini" };
        const FakePC *pc = *state;

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                fake_host_write(pc->fake, paths[i], "of=tomorrow\n");
        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_NONE);
        fake_pc_check_driver(pc, DISPLAY, "nvidia");
        check_mode(pc, "host");
}

/* --- cut-short --- */

#define UNIT "vfio-mode@desk.service"
#define LOG_OF(old, new) "vfio-mode-state=1\nmode=" new "\nold-mode=" old "\n"

typedef struct CutShort {
        const char *title;
        const char *log;    /**< that was left; NULL: none */
        const char *result; /**< of the unit, in systemd's words */
        const char *mode;   /**< then; "": as before, with the log */
} CutShort;

static const CutShort cut_shorts[] = {
        { "a switch that was killed leads to the fallback mode", LOG_OF("passthrough", "desk"),
          "signal", "host" },
        { "and so does one that had no time left", LOG_OF("passthrough", "desk"), "timeout",
          "host" },
        { "and a log that cannot be read", "damaged", "core-dump", "host" },
        { "what was refused meanwhile is left to the other", LOG_OF("passthrough", "desk"),
          "exit-code", "" },
        { "a reload that was killed leads there as well", LOG_OF("passthrough", "passthrough"),
          "success", "host" },
        { "and one whose log cannot be read", "damaged", "success", "host" },
        { "one that has ended does not", NULL, "success", "passthrough" },
        { "nor does one that is stuck, and has said so",
          LOG_OF("passthrough", "passthrough") "writer=1 1\nwedged=1\n", "success", "" },
        { "nor the reading of a ROM", LOG_OF("passthrough", "passthrough") "rom=" DISPLAY "\n",
          "success", "" },
        { "another switch has ended it", NULL, "signal", "passthrough" },
        { "a ROM that was read is no switch",
          LOG_OF("passthrough", "passthrough") "rom=" DISPLAY "\n", "signal", "" },
};

static void check_fall(const FakePC *pc, const CutShort *row) {
        RunState *now = calloc(1, sizeof(*now));
        char reason[128];

        (void)snprintf(reason, sizeof(reason), UNIT " was cut short (%s)",
                       strcmp(row->result, "success") == 0 ? "reload" : row->result);
        assert_non_null(now);
        assert_int_equal(state_read(&pc->root, now), 0);
        assert_string_equal(now->source, "fallback");
        assert_string_equal(now->reason, reason);
        free(now);
        fake_pc_check_driver(pc, DISPLAY, "nvidia");
}

static void test_cut_short(void **state) {
        const CutShort *row = *state;
        void *made = NULL;
        FakePC *pc;

        assert_int_equal(set_up(&made), 0);
        pc = made;
        if (row->log)
                fake_host_write(pc->fake, UNDO_PATH, row->log);
        assert_int_equal(setenv("MONITOR_UNIT", UNIT, true), 0);
        assert_int_equal(setenv("MONITOR_SERVICE_RESULT", row->result, true), 0);
        assert_int_equal(apply_cut_short(&pc->root), REFUSAL_NONE);
        check_mode(pc, row->mode[0] != '\0' ? row->mode : "passthrough");
        assert_int_equal(fake_host_exists(pc->fake, UNDO_PATH), row->mode[0] == '\0');
        if (strcmp(row->mode, "host") == 0)
                check_fall(pc, row);
        assert_int_equal(fake_pc_tear_down(&made), 0);
}

/* The mode that it is in again is the one of before; and yet the machine was in none. */
static void test_cut_short_on_the_way_in(void **state) {
        static const CutShort way_in = { .result = "signal" };
        const FakePC *pc = *state;

        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_NONE);
        fake_host_write(pc->fake, UNDO_PATH, LOG_OF("host", "desk"));
        assert_int_equal(setenv("MONITOR_UNIT", UNIT, true), 0);
        assert_int_equal(setenv("MONITOR_SERVICE_RESULT", way_in.result, true), 0);
        assert_int_equal(apply_cut_short(&pc->root), REFUSAL_NONE);
        check_mode(pc, "host");
        check_fall(pc, &way_in);
        assert_true(fake_host_exists(pc->fake, NOTICE));
}

/* The unit failed before its program ran, on a machine where there was no switch yet. */
static void test_cut_short_of_nothing(void **state) {
        const FakePC *pc = *state;

        fake_host_remove(pc->fake, STATUS_PATH);
        assert_int_equal(setenv("MONITOR_UNIT", UNIT, true), 0);
        assert_int_equal(setenv("MONITOR_SERVICE_RESULT", "resources", true), 0);
        assert_int_equal(apply_cut_short(&pc->root), REFUSAL_NONE);
        assert_false(fake_host_exists(pc->fake, STATUS_PATH));
        fake_pc_check_driver(pc, DISPLAY, "vfio-pci");
}

#define ON_PC(title, function) { (title), (function), set_up, fake_pc_tear_down, NULL }

int main(void) {
        static const struct CMUnitTest tests[] = {
                ON_PC("leave beside who has the lock for something else waits, and leaves",
                      test_leave_beside_somebody),
                ON_PC("leave for a switch that is on its way elsewhere is done at once",
                      test_leave_for_a_switch),
                ON_PC("leave of a mode that is not on changes nothing", test_leave_what_is_left),
                ON_PC("no switch is refused for who awaits the end of the one before",
                      test_beside_who_awaits_the_end),
                ON_PC("a way back that is killed is begun again on the same behalf",
                      test_fallback_again),
                ON_PC("an old word of the guard's is dropped", test_fallback_old_word),
                ON_PC("a unit that has not failed is no reason", test_fallback_of_a_unit),
                ON_PC("a function that came back and cannot be had is left to the host",
                      test_replug_that_is_undone),
                ON_PC("where it is nobody's it leads to the fallback mode", test_replug_half_way),
                ON_PC("where its driver gets stuck that is told", test_replug_that_gets_stuck),
                ON_PC("a mode goes on though it cannot be mended", test_go_on),
                ON_PC("a mode that was left meanwhile does not go on", test_go_on_too_late),
                ON_PC("without room for a record no mark is left", test_no_record),
                ON_PC("what cannot be understood has a way back", test_nothing_is_understood),
                ON_PC("what was cut short on the way in led to the mode before, and why is kept",
                      test_cut_short_on_the_way_in),
                ON_PC("where nothing was ever moved nothing was cut short",
                      test_cut_short_of_nothing),
        };

        Table table = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
                table.tests[table.n_tests++] = tests[i];
        TABLE_ROWS(&table, test_cut_short, cut_shorts);
        return table_run("verbs-units", &table);
}
