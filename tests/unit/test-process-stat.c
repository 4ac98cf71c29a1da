/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process's line in /proc: its own name in it may be anything. */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/process.h"
#include "model/process-stat.h"

#define REST " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"

typedef struct Row {
        const char *title;
        const char *line;
        int error;
        char state;
        uint64_t start;
} Row;

static const Row rows[] = {
        { "a name", "4711 (vfio-mode-write) D" REST " 991 20 21", 0, 'D', 991 },
        { "a name with blanks and parentheses", "1 (a) Z (b c) S" REST " 7", 0, 'S', 7 },
        { "the largest start", "1 (a) S" REST " 18446744073709551615 0", 0, 'S', UINT64_MAX },
        { "nothing", "", -EBADMSG, 0, 0 },
        { "no name", "4711 S" REST " 991", -EBADMSG, 0, 0 },
        { "no fields", "4711 (a)", -EBADMSG, 0, 0 },
        { "too few fields", "4711 (a) S" REST, -EBADMSG, 0, 0 },
        { "a start that is no number", "4711 (a) S" REST " -1", -EBADMSG, 0, 0 },
        { "a start that does not fit", "4711 (a) S" REST " 18446744073709551616", -EBADMSG, 0, 0 },
        { "a start that is too long", "4711 (a) S" REST " 000000000000000000000000000001", -EBADMSG,
          0, 0 },
};

static void test_row(void **state) {
        const Row *row = *state;
        uint64_t start = 1;
        char letter = '-';

        assert_int_equal(process_stat_parse(row->line, &letter, &start), row->error);
        assert_int_equal(letter, row->error < 0 ? '-' : row->state);
        assert_int_equal(start, row->error < 0 ? 1 : row->start);
}

static void test_parent(void **state) {
        (void)state;
        assert_int_equal(process_stat_parent("4711 (a) b) S 42 7"), 42);
        assert_int_equal(process_stat_parent("1 (systemd) S 0 1 1"), 0);
        assert_int_equal(process_stat_parent("4711 (a) S"), 0);
        assert_int_equal(process_stat_parent("4711 (a) S 2147483648"), 0);
        assert_int_equal(process_stat_parent(""), 0);
}

static void test_real(void **state) {
        Root root = ROOT_NULL;
        uint64_t start;
        pid_t child;

        assert_int_equal(root_open(NULL, &root), 0);
        assert_int_equal(process_start(&root, getpid(), &start), 0);
        assert_true(process_is_there(&root, getpid(), start));
        assert_false(process_is_there(&root, getpid(), start + 1));
        assert_false(process_is_there(&root, 0, start));
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(0);
        /* It has ended, and is still listed until somebody asks. */
        assert_int_equal(waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
        assert_int_equal(process_start(&root, child, &start), -ESRCH);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(process_start(&root, child, &start), -ESRCH);
        root_close(&root);
}

int main(void) {
        struct CMUnitTest tests[ARRAY_SIZE(rows) + 2] = {
                { "a process of ours, and one that has ended", test_real, NULL, NULL, NULL },
                { "who has started it", test_parent, NULL, NULL, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[2 + i] = (struct CMUnitTest){ rows[i].title, test_row, NULL, NULL,
                                                    (void *)(uintptr_t)&rows[i] };
        return cmocka_run_group_tests_name("process-stat", tests, NULL, NULL);
}
