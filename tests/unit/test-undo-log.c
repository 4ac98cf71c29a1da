/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The undo log where /run is full in the middle of a line, and after a switch that got stuck.
 */
#undef NDEBUG
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "../fake/fake-host.h"
#include "apply/undo-log.h"
#include "host/state-files.h"

static void set_room(rlim_t size) {
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = size;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* However much of the line fits: those before are kept, and so is the one after. */
static void test_short_write(void **state) {
        static const HomeFunction homes[] = {
                { .address = { 0, 1, 0, 0 }, .driver = "nvidia" },
                { .address = { 0, 1, 0, 1 }, .driver = "snd_hda_intel" },
                { .address = { 0, 5, 0, 0 }, .driver = "e1000e" },
        };
        char line[256];
        int length;

        (void)signal(SIGXFSZ, SIG_IGN);
        length = run_state_format_home(&homes[1], line, sizeof(line));
        for (int room = 0; room < length; room++) {
                FakeHost *fake = fake_host_new();
                RunState *found = calloc(1, sizeof(*found));
                UndoLog *undo = calloc(1, sizeof(*undo));
                char *text;
                Root root;

                fake_host_write(fake, "run/vfio-mode/x", "");
                assert_int_equal(root_open(fake_host_path(fake), &root), 0);
                assert_int_equal(undo_log_open(&root, "", "passthrough", NULL, undo), 0);
                assert_int_equal(undo_log_add(undo, &homes[0]), 0);
                text = fake_host_read(fake, UNDO_PATH);
                set_room(strlen(text) + (size_t)room);
                assert_true(undo_log_add(undo, &homes[1]) < 0);
                set_room(RLIM_INFINITY);
                assert_int_equal(undo_read(&root, found), 0);
                assert_int_equal(found->n_homes, 1);
                assert_int_equal(undo_log_add(undo, &homes[2]), 0);
                assert_int_equal(undo_read(&root, found), 0);
                assert_int_equal(found->n_homes, 2);
                undo_log_close(undo);
                root_close(&root);
                fake_host_freep(&fake);
                free(text);
                free(undo);
                free(found);
        }
}

/* What a log goes on from had a writer of its own: it is not this one's, whom nobody would find. */
static void test_writer_of_before(void **state) {
        FakeHost *fake = fake_host_new();
        RunState *before = calloc(1, sizeof(*before)), *found = calloc(1, sizeof(*found));
        UndoLog *undo = calloc(1, sizeof(*undo));
        const HomeFunction home = { .address = { 0, 1, 0, 0 }, .driver = "nvidia" };
        Root root;

        fake_host_write(fake, "run/vfio-mode/x", "");
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(run_state_add_home(before, &home), 0);
        before->writer = (RunWriter){ .pid = 4711, .start = 5, .wedged = 7 };
        assert_int_equal(undo_log_open(&root, "", "passthrough", before, undo), 0);
        assert_int_equal(undo_read(&root, found), 0);
        assert_int_equal(found->n_homes, 1);
        assert_int_equal(found->writer.pid, 0);
        assert_int_equal(undo->state.writer.pid, 0);
        undo_log_close(undo);
        root_close(&root);
        fake_host_freep(&fake);
        free(before);
        free(found);
        free(undo);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                { "a line that does not fit", test_short_write, NULL, NULL, NULL },
                { "the writer of the log before", test_writer_of_before, NULL, NULL, NULL },
        };

        return cmocka_run_group_tests_name("undo-log", tests, NULL, NULL);
}
