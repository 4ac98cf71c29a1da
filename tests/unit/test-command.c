/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program's output that cannot be read is no output that says nothing. The programs are scripts
 * of the test's own; read(2) is one that fails as ordered.
 */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/command.h"
#include "host/units.h"

static int failing_errno;  /* of one read of a pipe; 0: none */
static unsigned n_to_pass; /* reads of a pipe before it */

static bool is_pipe(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

ssize_t read(int fd, void *buffer, size_t size) {
        if (failing_errno == 0 || !is_pipe(fd) || n_to_pass-- > 0)
                return syscall(SYS_read, fd, buffer, size);
        errno = failing_errno;
        failing_errno = 0;
        return -1;
}

static void fail_read(unsigned nth, int error) {
        n_to_pass = nth - 1;
        failing_errno = error;
}

/* Lists two instances, the second a moment later, so that they are two reads. */
static const char systemctl[] =
        "#!/bin/sh\n"
        "case $1 in\n"
        "list-units)\n"
        "    echo vfio-mode@host.service loaded active exited A\n"
        "    sleep 0.1\n"
        "    echo vfio-mode@b.service loaded failed failed B\n"
        "    [ -z \"$SETTLES\" ] || {\n"
        "        echo vfio-mode@c.service loaded $(cat $SETTLES) start C\n"
        "        echo active > $SETTLES\n"
        "    }\n"
        "    ;;\n"
        "show) printf '%s\\n' \"$BOUND\" '' vfio-mode-guard@host.service ;;\n"
        "is-system-running) printf %s \"$ANSWER\"; exit 1 ;;\n"
        "esac\n";

static int set_up(void **state) {
        char *directory = strdup("/tmp/vfio-mode-command-XXXXXX"), program[64], *path = NULL;
        FILE *file;

        assert_non_null(mkdtemp(directory));
        (void)snprintf(program, sizeof(program), "%s/systemctl", directory);
        file = fopen(program, "w");
        assert_non_null(file);
        assert_true(fputs(systemctl, file) >= 0 && fclose(file) == 0);
        assert_int_equal(chmod(program, 0755), 0);
        assert_true(asprintf(&path, "%s:/usr/bin:/bin", directory) > 0);
        assert_int_equal(setenv("PATH", path, 1), 0);
        free(path);
        *state = directory;
        return 0;
}

static int tear_down(void **state) {
        char program[64];

        (void)snprintf(program, sizeof(program), "%s/systemctl", (char *)*state);
        (void)unlink(program);
        (void)rmdir(*state);
        free(*state);
        return 0;
}

static int say(const char *text, char *output, size_t size) {
        const char *const arguments[] = { "printf", "%s", text, NULL };

        return command_run(arguments, output, size);
}

static void test_output(void **state) {
        char output[8];

        (void)state;
        assert_int_equal(say("short", output, sizeof(output)), 0);
        assert_string_equal(output, "short");
        assert_int_equal(say("too long to fit", output, sizeof(output)), 0);
        assert_string_equal(output, "too lon");
        assert_int_equal(say("", output, sizeof(output)), 0);
        assert_string_equal(output, "");
}

static void test_status(void **state) {
        static const char *const fails[] = { "sh", "-c", "exit 3", NULL };
        static const char *const dies[] = { "sh", "-c", "kill -9 $$", NULL };
        static const char *const none[] = { "vfio-mode-no-such-program", NULL };
        char output[8];

        (void)state;
        assert_int_equal(command_run(fails, output, sizeof(output)), 3);
        assert_int_equal(command_run(dies, NULL, 0), -EIO);
        assert_int_equal(command_run(none, NULL, 0), -ENOENT);
}

static void test_both(void **state) {
        static const char *const says[] = { "sh", "-c", "echo a; echo b >&2; exit 3", NULL };
        char output[8];

        (void)state;
        assert_int_equal(command_run(says, output, sizeof(output)), 3);
        assert_string_equal(output, "a\n");
        assert_int_equal(command_run_both(says, output, sizeof(output)), 3);
        assert_string_equal(output, "a\nb\n");
}

static void test_a_read_fails(void **state) {
        char output[8];

        (void)state;
        for (unsigned nth = 1; nth <= 2; nth++) {
                fail_read(nth, EIO);
                assert_int_equal(say("all", output, sizeof(output)), -EIO);
                assert_string_equal(output, "");
                fail_read(nth, EINTR);
                assert_int_equal(say("all", output, sizeof(output)), 0);
                assert_string_equal(output, "all");
        }
        /* What does not fit is read all the same. */
        fail_read(2, EIO);
        assert_int_equal(say("too long to fit", output, sizeof(output)), -EIO);
}

/* Bytes that are no text, to the last that may come. */
static void test_bytes(void **state) {
        static const char *const bytes[] = { "printf", "a\\0b\\377", NULL };
        static const char *const fails[] = { "sh", "-c", "printf abc; printf because >&2; exit 3",
                                             NULL };
        static const char *const none[] = { "vfio-mode-no-such-program", NULL };
        uint8_t *data = NULL;
        char said[8] = "x";
        size_t size = 0;

        (void)state;
        assert_int_equal(command_read(bytes, 3, &data, &size, said, sizeof(said)), -EFBIG);
        assert_int_equal(command_read(fails, 4, &data, &size, said, sizeof(said)), 3);
        assert_string_equal(said, "because");
        assert_int_equal(command_read(fails, 4, &data, &size, said, 4), 3);
        assert_string_equal(said, "bec");
        assert_int_equal(command_read(none, 4, &data, &size, said, sizeof(said)), -ENOENT);
        fail_read(1, EIO);
        assert_int_equal(command_read(bytes, 4, &data, &size, said, sizeof(said)), -EIO);
        assert_true(data == NULL && size == 0);
        fail_read(1, EINTR);
        assert_int_equal(command_read(bytes, 4, &data, &size, said, sizeof(said)), 0);
        assert_int_equal(size, 4);
        assert_string_equal(said, "");
        assert_memory_equal(data, "a\0b\377", 4);
        free(data);
}

static void test_units(void **state) {
        UnitInstance instances[4];
        char names[128];

        (void)state;
        assert_int_equal(units_list_instances(instances, 4), 2);
        assert_string_equal(instances[0].mode, "host");
        assert_string_equal(instances[1].active_state, "failed");
        assert_int_equal(setenv("BOUND", "guest.service vfio-mode-guard@host.service b.mount", 1),
                         0);
        assert_int_equal(units_dependents("host", names, sizeof(names)), 21);
        assert_string_equal(names, "guest.service b.mount");
        assert_true(units_has_dependents("host"));
        assert_int_equal(setenv("BOUND", "", 1), 0);
        assert_int_equal(units_dependents("host", names, sizeof(names)), 0);
        assert_string_equal(names, "");
        assert_false(units_has_dependents("host"));
}

/* Who has just ended a switch is not active yet, and would be beside the next mode's. */
static void test_units_that_settle(void **state) {
        static const char *const first[] = { "activating", "reloading" };
        UnitInstance instances[4];
        char path[64];

        (void)snprintf(path, sizeof(path), "%s/c", (char *)*state);
        assert_int_equal(setenv("SETTLES", path, 1), 0);
        for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
                FILE *file = fopen(path, "w");

                assert_true(file && fputs(first[i], file) >= 0 && fclose(file) == 0);
                assert_int_equal(units_list_settled("host", instances, 4), 3);
                assert_string_equal(instances[2].active_state, "active");
                file = fopen(path, "w");
                assert_true(file && fputs(first[i], file) >= 0 && fclose(file) == 0);
                /* Our own. */
                assert_int_equal(units_list_settled("c", instances, 4), 3);
                assert_string_equal(instances[2].active_state, first[i]);
        }
        assert_int_equal(unlink(path), 0);
        assert_int_equal(unsetenv("SETTLES"), 0);
}

/* Whoever is not answered is told nothing, or "unknown"; a chroot's is "offline". */
static void test_system_is_stopping(void **state) {
        static const struct {
                const char *answer;
                int expected;
        } answers[] = {
                { "stopping\n", 1 }, { "degraded\n", 0 }, { "starting\n", 0 },
                { "offline\n", 0 },  { "", -EIO },        { "unknown\n", -EIO },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                assert_int_equal(setenv("ANSWER", answers[i].answer, 1), 0);
                assert_int_equal(units_system_is_stopping(), answers[i].expected);
        }
}

/* None of them says "none" or "no". */
static void test_units_cannot_be_read(void **state) {
        UnitInstance instances[4];
        char names[64];

        (void)state;
        for (unsigned nth = 1; nth <= 2; nth++) {
                fail_read(nth, EIO);
                assert_int_equal(units_list_instances(instances, 4), -EIO);
        }
        fail_read(1, ENOMEM);
        assert_int_equal(units_dependents("host", names, sizeof(names)), -ENOMEM);
        fail_read(1, EIO);
        assert_int_equal(units_system_is_stopping(), -EIO);
        fail_read(1, EIO);
        assert_true(units_mode_may_run("host"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_output),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_both),
                cmocka_unit_test(test_a_read_fails),
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_units),
                cmocka_unit_test(test_units_that_settle),
                cmocka_unit_test(test_system_is_stopping),
                cmocka_unit_test(test_units_cannot_be_read),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
