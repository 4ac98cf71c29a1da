/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch that is to be confirmed, written and read. */
#undef NDEBUG
#include <errno.h>
#include <string.h>

#include "../fake/fake-host.h"
#include "host/state-files.h"
#include "table.h"

#define NAME_32 "abcdefghijklmnopqrstuvwxyz012345"

static void test_round_trip(void **state) {
        const SwitchTrial trials[] = {
                { "passthrough", "host", 1800000000, 0 },
                { "passthrough", "", 1, 1 },
                { NAME_32, NAME_32, UINT64_MAX, UINT64_MAX },
        };

        for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
                char text[SWITCH_TRIAL_SIZE_MAX];
                SwitchTrial parsed;
                int n;

                n = switch_trial_format(&trials[i], text, sizeof(text));
                assert_int_equal(n, strlen(text));
                assert_int_equal(switch_trial_parse(text, &parsed), 0);
                assert_string_equal(parsed.mode, trials[i].mode);
                assert_string_equal(parsed.back, trials[i].back);
                assert_true(parsed.until == trials[i].until);
                assert_true(parsed.due == trials[i].due);
                assert_int_equal(switch_trial_format(&trials[i], text, (size_t)n), -ENOSPC);
        }
}

typedef struct Row {
        const char *title, *text;
} Row;

static const Row rows[] = {
        { "an empty trial", "" },
        { "a trial without a mode", "back=host\nuntil=1\n" },
        { "a trial without an end", "mode=passthrough\nback=host\n" },
        { "a trial that ends at 0", "mode=passthrough\nback=host\nuntil=0\n" },
        { "a trial that is torn", "mode=passthrough\nback=host\nuntil=18000" },
        { "a trial with an unknown key", "mode=passthrough\nuntil=1\nwhen=2\n" },
        { "a trial of what is no mode", "mode=../x\nuntil=1\n" },
        { "a trial without a mode's name", "mode=\nuntil=1\n" },
        { "a trial that goes back to what is no mode", "mode=a\nback=A B\nuntil=1\n" },
        { "a trial with an end that is no number", "mode=a\nuntil=soon\n" },
        { "a trial that is due at no time", "mode=a\nuntil=1\ndue=now\n" },
        { "a trial with a name that does not fit", "mode=" NAME_32 "6\nuntil=1\n" },
};

static void test_row(void **state) {
        const Row *row = *state;
        SwitchTrial trial, untouched;

        (void)memset(&trial, 0x5a, sizeof(trial));
        untouched = trial;
        assert_int_equal(switch_trial_parse(row->text, &trial), -EBADMSG);
        assert_memory_equal(&trial, &untouched, sizeof(trial));
}

static void test_file(void **state) {
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();
        _cleanup_(root_close) Root root = ROOT_NULL;
        SwitchTrial trial;

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(trial_read(&root, &trial), -ENOENT);
        fake_host_write(fake, TRIAL_PATH, "mode=passthrough\nback=host\nuntil=18\n");
        assert_int_equal(trial_read(&root, &trial), 0);
        assert_string_equal(trial.back, "host");
        assert_int_equal(trial_next_read(&root, &trial), -ENOENT);
        fake_host_write(fake, TRIAL_NEXT_PATH, "mode=passthrough\nback=host\nuntil=18\ndue=5\n");
        assert_int_equal(trial_next_read(&root, &trial), 0);
        assert_true(trial.due == 5);
        fake_host_write(fake, TRIAL_PATH, "mode=passthrough\n");
        assert_int_equal(trial_read(&root, &trial), -EBADMSG);
}

int main(void) {
        Table table = { 0 };

        table_add(&table, "a trial comes back as it was written", test_round_trip, NULL);
        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "a trial as a file", test_file, NULL);
        return table_run("switch-trial", &table);
}
