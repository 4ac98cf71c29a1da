/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who asked for a switch: written, read, and taken once. */
#undef NDEBUG
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../fake/fake-host.h"
#include "host/origin-file.h"
#include "table.h"

#define NAME_32 "abcdefghijklmnopqrstuvwxyz012345"

static void test_round_trip(_unused_ void **state) {
        const SwitchOrigin origins[] = {
                { "host", "fallback", "the fallback mode was asked for", 1, "" },
                { NAME_32, "revert", "", UINT64_MAX, "stop" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
                char text[SWITCH_ORIGIN_SIZE_MAX];
                SwitchOrigin parsed;
                int n;

                n = switch_origin_format(&origins[i], text, sizeof(text));
                assert_int_equal(n, strlen(text));
                assert_int_equal(switch_origin_parse(text, &parsed), 0);
                assert_string_equal(parsed.mode, origins[i].mode);
                assert_string_equal(parsed.source, origins[i].source);
                assert_string_equal(parsed.reason, origins[i].reason);
                assert_true(parsed.time == origins[i].time);
                assert_string_equal(parsed.holders, origins[i].holders);
                assert_int_equal(switch_origin_format(&origins[i], text, (size_t)n), -ENOSPC);
        }
}

static void test_one_line(_unused_ void **state) {
        const SwitchOrigin origin = { "host", "bus", "a\nsource=fallback", 1, "" };
        char text[SWITCH_ORIGIN_SIZE_MAX];
        SwitchOrigin parsed;

        assert_true(switch_origin_format(&origin, text, sizeof(text)) > 0);
        assert_int_equal(switch_origin_parse(text, &parsed), 0);
        assert_string_equal(parsed.source, "bus");
}

typedef struct Row {
        const char *title, *text;
} Row;

static const Row rows[] = {
        { "an empty word", "" },
        { "a word without a mode", "source=bus\nreason=x\ntime=1\n" },
        { "a word without a source", "mode=host\nreason=x\ntime=1\n" },
        { "a word without a time", "mode=host\nsource=bus\nreason=x\n" },
        { "a torn word", "mode=host\nsource=bus\nreason=x\ntime=1" },
        { "a word for what is no mode", "mode=../x\nsource=bus\ntime=1\n" },
        { "a word from what is no source", "mode=host\nsource=a b\ntime=1\n" },
        { "a word of a time that is no number", "mode=host\nsource=bus\ntime=now\n" },
        { "a word for holders that is none", "mode=host\nsource=bus\ntime=1\nholders=all\n" },
        { "a word with an unknown key", "mode=host\nsource=bus\ntime=1\nuid=0\n" },
};

static void test_row(void **state) {
        const Row *row = *state;
        SwitchOrigin origin, untouched;

        (void)memset(&origin, 0x5a, sizeof(origin));
        untouched = origin;
        assert_int_equal(switch_origin_parse(row->text, &origin), -EBADMSG);
        assert_memory_equal(&origin, &untouched, sizeof(origin));
}

static void test_age(_unused_ void **state) {
        const SwitchOrigin origin = { "host", "bus", "", 1000, "" };

        assert_true(switch_origin_is_of(&origin, "host", 1000));
        assert_true(switch_origin_is_of(&origin, "host", 1000 + SWITCH_ORIGIN_USEC_MAX));
        assert_false(switch_origin_is_of(&origin, "host", 1001 + SWITCH_ORIGIN_USEC_MAX));
        assert_false(switch_origin_is_of(&origin, "host", 999));
        assert_false(switch_origin_is_of(&origin, "other", 1000));
}

static int set_up(void **state) {
        FakeHost *fake = fake_host_new();

        fake_host_write(fake, "run/vfio-mode/status", "");
        fake_host_write(fake, "run/vfio-moded/job", "");
        *state = fake;
        return 0;
}

static int tear_down(void **state) {
        FakeHost *fake = *state;

        fake_host_freep(&fake);
        return 0;
}

static void test_taken_once(void **state) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        FakeHost *fake = *state;
        SwitchOrigin origin;
        struct stat status;

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_false(origin_take(&root, "host", &origin));
        assert_int_equal(origin_leave(&root, APPLY_ORIGIN_PATH, "host", "fallback", "why", ""), 0);
        assert_int_equal(fstatat(root.fd, APPLY_ORIGIN_PATH, &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_false(origin_take(&root, "other", &origin));
        assert_true(origin_take(&root, "host", &origin));
        assert_string_equal(origin.source, "fallback");
        assert_string_equal(origin.reason, "why");
        assert_false(origin_take(&root, "host", &origin));
}

/* The way back is none of what the service asked for. */
static void test_both(void **state) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        FakeHost *fake = *state;
        SwitchOrigin origin;

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(origin_leave(&root, SERVICE_ORIGIN_PATH, "host", "bus", "x", ""), 0);
        assert_int_equal(origin_leave(&root, APPLY_ORIGIN_PATH, "host", "revert", "y", ""), 0);
        assert_true(origin_take(&root, "host", &origin));
        assert_string_equal(origin.source, "revert");
        assert_false(origin_take(&root, "host", &origin));
}

static void test_old_and_damaged(void **state) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        FakeHost *fake = *state;
        SwitchOrigin origin;

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        fake_host_write(fake, APPLY_ORIGIN_PATH, "mode=host\nsource=fallback\ntime=1\n");
        fake_host_write(fake, SERVICE_ORIGIN_PATH, "?");
        assert_false(origin_take(&root, "host", &origin));
        assert_false(fake_host_exists(fake, APPLY_ORIGIN_PATH));
        assert_false(fake_host_exists(fake, SERVICE_ORIGIN_PATH));
}

#define ON_HOST(title, function) { (title), (function), set_up, tear_down, NULL }

int main(void) {
        static const struct CMUnitTest on_host[] = {
                ON_HOST("a word is taken once, by whom it is for", test_taken_once),
                ON_HOST("apply's own word goes before the service's", test_both),
                ON_HOST("an old word and a damaged one are dropped", test_old_and_damaged),
        };
        Table table = { 0 };

        table_add(&table, "a word comes back as it was written", test_round_trip, NULL);
        table_add(&table, "a reason is one line", test_one_line, NULL);
        table_add(&table, "a word is seconds old", test_age, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(on_host); i++)
                table.tests[table.n_tests++] = on_host[i];
        TABLE_ROWS(&table, test_row, rows);
        return table_run("switch-origin", &table);
}
