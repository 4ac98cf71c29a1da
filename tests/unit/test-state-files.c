/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading /run/vfio-mode: states and results, as they should be and as they should not. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../fake/fake-host.h"
#include "apply/state-write.h"
#include "base/file.h"
#include "host/state-files.h"

typedef struct Files {
        FakeHost *fake;
        Root root;
        RunState state;
        RunResult result;
} Files;

static int set_up(void **state) {
        Files *files = calloc(1, sizeof(*files));

        files->fake = fake_host_new();
        assert_int_equal(root_open(fake_host_path(files->fake), &files->root), 0);
        *state = files;
        return 0;
}

static int tear_down(void **state) {
        Files *files = *state;

        root_close(&files->root);
        fake_host_freep(&files->fake);
        free(files);
        return 0;
}

#define STATE "vfio-mode-state=1\nmode=passthrough\nfunction=0000:01:00.0 nvidia -\n"
#define RESULT "invocation=0123\nverb=switch\nmode=host\nresult=busy\nsteps=3\ntext=In use.\n"

static void test_state(void **state) {
        Files *files = *state;

        fake_host_write(files->fake, STATUS_PATH, STATE);
        assert_int_equal(state_read(&files->root, &files->state), 0);
        assert_string_equal(files->state.mode, "passthrough");
        assert_int_equal(files->state.n_homes, 1);
        assert_int_equal(undo_read(&files->root, &files->state), -ENOENT);
}

/* Not by who asks, whose own it would lose by looking. */
static void test_lock(void **state) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        Files *files = *state;
        int ready[2], status;
        char byte;
        pid_t pid;

        assert_int_equal(lock_is_held(&files->root), 0); /* no file: nobody has it */
        fake_host_write(files->fake, LOCK_PATH, "");
        assert_int_equal(lock_is_held(&files->root), 0);
        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = openat(files->root.fd, LOCK_PATH, O_RDWR | O_CLOEXEC);

                if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || write(ready[1], "", 1) != 1)
                        _exit(EXIT_FAILURE);
                (void)pause();
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(lock_is_held(&files->root), 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(lock_is_held(&files->root), 0);
        assert_int_equal(close(ready[0]), 0);
        assert_int_equal(close(ready[1]), 0);
}

static void test_no_state(void **state) {
        Files *files = *state;

        (void)memset(&files->state, 0x5a, sizeof(files->state));
        assert_int_equal(state_read(&files->root, &files->state), -ENOENT);
        assert_string_equal(files->state.mode, "");
        assert_int_equal(files->state.n_homes, 0);
}

static void test_undo(void **state) {
        Files *files = *state;

        fake_host_write(files->fake, UNDO_PATH, STATE);
        assert_int_equal(undo_read(&files->root, &files->state), 0);
        assert_int_equal(files->state.n_homes, 1);
        assert_int_equal(state_read(&files->root, &files->state), -ENOENT);
}

/* Its writer was killed, or short of room, before it did what the line is about. */
static void test_torn_undo(void **state) {
        Files *files = *state;
        const char *torn = "function=0000:01:00.1 snd_hda_intel -";

        for (size_t length = 1; length <= strlen(torn); length++) {
                char text[256];

                (void)snprintf(text, sizeof(text), STATE "%.*s", (int)length, torn);
                fake_host_write(files->fake, UNDO_PATH, text);
                assert_int_equal(undo_read(&files->root, &files->state), 0);
                assert_int_equal(files->state.n_homes, 1);
        }
        fake_host_write(files->fake, UNDO_PATH, STATE "function=00\nmode=host\n");
        assert_int_equal(undo_read(&files->root, &files->state), -EBADMSG);
        fake_host_write(files->fake, UNDO_PATH, "vfio-mode-state=1");
        assert_int_equal(undo_read(&files->root, &files->state), -EBADMSG);
        fake_host_write(files->fake, STATUS_PATH, STATE "function=00");
        assert_int_equal(state_read(&files->root, &files->state), -EBADMSG);
}

static void test_bad_state(void **state) {
        Files *files = *state;

        fake_host_write(files->fake, STATUS_PATH, "nonsense\n");
        assert_int_equal(state_read(&files->root, &files->state), -EBADMSG);
        fake_host_write(files->fake, STATUS_PATH, "vfio-mode-state=2\n");
        assert_int_equal(state_read(&files->root, &files->state), -EPROTONOSUPPORT);
}

static void test_state_that_is_too_long(void **state) {
        Files *files = *state;
        char *text = malloc(RUN_STATE_SIZE_MAX + 2);

        (void)memset(text, 'x', RUN_STATE_SIZE_MAX + 1);
        text[RUN_STATE_SIZE_MAX + 1] = '\0';
        fake_host_write(files->fake, STATUS_PATH, text);
        assert_int_equal(state_read(&files->root, &files->state), -EFBIG);
        free(text);
}

/* --- results --- */

static void test_result(void **state) {
        Files *files = *state;

        fake_host_write(files->fake, RESULT_PATH, RESULT);
        assert_int_equal(result_read(&files->root, &files->result), 0);
        assert_string_equal(files->result.invocation, "0123");
        assert_string_equal(files->result.verb, "switch");
        assert_string_equal(files->result.mode, "host");
        assert_int_equal(files->result.kind, REFUSAL_BUSY);
        assert_int_equal(files->result.n_steps, 3);
        assert_string_equal(files->result.text, "In use.");
        assert_int_equal(boot_result_read(&files->root, &files->result), -ENOENT);
}

static mode_t mode_of(const Files *files, const char *path) {
        struct stat file;

        return fstatat(files->root.fd, path, &file, 0) < 0 ? 0 : file.st_mode & 0777;
}

/* What names processes is root's; the rest is everybody's, and the next run's is all of it gone. */
static void test_result_with_names(void **state) {
        RunResult named = { .verb = "switch", .kind = REFUSAL_BUSY, .text = "In use." };
        RunResult plain = { .verb = "switch", .text = "Done." };
        Files *files = *state;
        char text[RUN_RESULT_SIZE_MAX];

        (void)snprintf(named.full_text, sizeof(named.full_text), "In use by process 7 (mpv).");
        assert_int_equal(result_write(&files->root, RESULT_PATH, &named), 0);
        assert_int_equal(mode_of(files, RESULT_PATH), 0644);
        assert_int_equal(mode_of(files, RESULT_NAMES_PATH), 0600);
        assert_true(file_read_at(files->root.fd, RESULT_PATH, text, sizeof(text)) > 0);
        assert_null(strstr(text, "mpv"));
        assert_int_equal(result_read(&files->root, &files->result), 0);
        assert_string_equal(files->result.text, "In use.");
        assert_string_equal(files->result.full_text, "In use by process 7 (mpv).");
        assert_int_equal(result_write(&files->root, RESULT_PATH, &plain), 0);
        assert_int_equal(mode_of(files, RESULT_NAMES_PATH), 0);
        assert_int_equal(result_read(&files->root, &files->result), 0);
        assert_string_equal(files->result.full_text, "");
        /* A run that could not take it away has left it. */
        fake_host_write(files->fake, RESULT_NAMES_PATH, RESULT);
        assert_int_equal(result_read(&files->root, &files->result), 0);
        assert_string_equal(files->result.full_text, "");
}

static void test_boot_result(void **state) {
        Files *files = *state;

        fake_host_write(files->fake, BOOT_PATH, "verb=boot\nresult=none\n");
        assert_int_equal(boot_result_read(&files->root, &files->result), 0);
        assert_int_equal(files->result.kind, REFUSAL_NONE);
        assert_int_equal(result_read(&files->root, &files->result), -ENOENT);
}

static void test_every_result_comes_back(void **state) {
        for (unsigned kind = REFUSAL_NONE; kind < _REFUSAL_MAX; kind++) {
                RunResult written = { .kind = (RefusalKind)kind, .n_steps = kind * 3 }, parsed;
                char *text = NULL;
                size_t size;
                FILE *file = open_memstream(&text, &size);

                (void)memset(written.invocation, 'a', sizeof(written.invocation) - 1);
                (void)memset(written.verb, 'b', sizeof(written.verb) - 1);
                (void)memset(written.mode, 'c', sizeof(written.mode) - 1);
                (void)memset(written.text, 'd', sizeof(written.text) - 1);
                run_result_print(&written, file);
                (void)fclose(file);
                assert_true(size < RUN_RESULT_SIZE_MAX);
                assert_int_equal(run_result_parse(text, &parsed), 0);
                assert_string_equal(parsed.invocation, written.invocation);
                assert_string_equal(parsed.verb, written.verb);
                assert_string_equal(parsed.mode, written.mode);
                assert_string_equal(parsed.text, written.text);
                assert_int_equal(parsed.kind, written.kind);
                assert_int_equal(parsed.n_steps, written.n_steps);
                free(text);
        }
}

typedef struct Row {
        const char *title, *text;
} Row;

static const Row rows[] = {
        { "a result without a verb", "mode=host\n" },
        { "an empty result", "" },
        { "a result with an unknown key", "verb=switch\nvreb=x\n" },
        { "a result with an unknown refusal", "verb=switch\nresult=no-such\n" },
        { "a result with a number of steps that is none", "verb=switch\nsteps=many\n" },
        { "a result that is torn", "verb=switch\nmode=ho" },
        { "a result with a line without equals sign", "verb=switch\nmode\n" },
        { "a result with a verb that does not fit", "verb=switchswitchswitch\n" },
        { "a result with a mode that does not fit",
          "verb=switch\nmode=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" },
};

static void test_row(void **state) {
        const Row *row = *state;
        RunResult result, untouched;

        (void)memset(&result, 0x5a, sizeof(result));
        untouched = result;
        assert_int_equal(run_result_parse(row->text, &result), -EBADMSG);
        assert_memory_equal(&result, &untouched, sizeof(result));
}

static void test_result_that_is_too_long(void **state) {
        Files *files = *state;
        char text[RUN_RESULT_SIZE_MAX + 1];

        (void)memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        fake_host_write(files->fake, RESULT_PATH, text);
        assert_int_equal(result_read(&files->root, &files->result), -EFBIG);
}

#define ON_FAKE(title, function) { (title), (function), set_up, tear_down, NULL }

int main(void) {
        struct CMUnitTest tests[12 + ARRAY_SIZE(rows)] = {
                ON_FAKE("the mode in force", test_state),
                ON_FAKE("whether the lock is held", test_lock),
                ON_FAKE("no switch since boot: an empty state", test_no_state),
                ON_FAKE("what has to be undone", test_undo),
                ON_FAKE("its last line is torn", test_torn_undo),
                ON_FAKE("a state that is damaged, and one of another version", test_bad_state),
                ON_FAKE("a state that is too long", test_state_that_is_too_long),
                ON_FAKE("how the last run ended", test_result),
                ON_FAKE("how it ended, and who was in the way", test_result_with_names),
                ON_FAKE("how the boot went", test_boot_result),
                ON_FAKE("a result that is too long", test_result_that_is_too_long),
                { "every result comes back as it was written", test_every_result_comes_back, NULL,
                  NULL, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[12 + i] = (struct CMUnitTest){ rows[i].title, test_row, NULL, NULL,
                                                     (void *)(uintptr_t)&rows[i] };
        return cmocka_run_group_tests_name("state-files", tests, NULL, NULL);
}
