/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mode is held, for how long, and that a hold is told and released by its own number. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/fake-host.h"
#include "host/hold.h"
#include "host/state-files.h"
#include "model/switch-origin.h"
#include "table.h"

#define BEFORE 1000
#define NOW 2000

static const struct Source {
        const char *title;
        const char *source;
        bool holds;
} sources[] = {
        { "over D-Bus", SOURCE_BUS, true },
        { "by its unit", SOURCE_UNIT, true },
        { "by hand", SOURCE_COMMAND, true },
        { "by a failure", SOURCE_FALLBACK, true },
        { "since nobody confirmed", SOURCE_REVERT, true },
        { "by the power button", SOURCE_POWER_BUTTON, true },
        { "for a virtual machine", SOURCE_VM, false },
        { "since that has ended", SOURCE_VM_EXIT, false },
        { "since another one was stopped", SOURCE_STOP, false },
        { "since a function came back", SOURCE_REPLUG, false },
        { "by something new", "something", false },
};

static void test_source(void **state) {
        const struct Source *source = *state;

        assert_int_equal(hold_is_by(source->source), source->holds);
}

static const struct Follow {
        const char *title;
        const char *before, *next;
        uint64_t held_before;
        bool is_held;
        uint64_t held_next;
        const char *reason;
} follows[] = {
        { "a choice holds", "host", "pass", 0, true, NOW, "new" },
        { "and is no other one's", "host", "pass", BEFORE, true, NOW, "new" },
        { "what is no choice holds nothing", "host", "pass", 0, false, 0, "" },
        { "and ends an older one's", "host", "pass", BEFORE, false, 0, "" },
        { "the first choice of a mode counts", "host", "host", BEFORE, true, BEFORE, "old" },
        { "and what is no choice leaves it", "host", "host", BEFORE, false, BEFORE, "old" },
        { "a mode that is on can be chosen", "host", "host", 0, true, NOW, "new" },
        { "or left alone", "host", "host", 0, false, 0, "" },
        { "no mode is held", "host", "", BEFORE, true, 0, "" },
        { "nor stays so", "", "", 0, true, 0, "" },
        { "the first mode is chosen", "", "host", 0, true, NOW, "new" },
};

static void test_follow(void **state) {
        const struct Follow *row = *state;
        RunState before = { 0 }, next = { 0 };

        (void)snprintf(before.mode, sizeof(before.mode), "%s", row->before);
        (void)snprintf(next.mode, sizeof(next.mode), "%s", row->next);
        before.hold.since = row->held_before;
        if (row->held_before > 0)
                (void)snprintf(before.hold.reason, sizeof(before.hold.reason), "old");
        hold_follow(&before, &next, row->is_held, "new", NOW);
        assert_int_equal(next.hold.since, row->held_next);
        assert_string_equal(next.hold.reason, row->reason);
}

static const struct Against {
        const char *title;
        uint64_t held_since;
        const char *mode;
        bool is_against;
} againsts[] = {
        { "what is held stands against another mode", NOW, "pass", true },
        { "and against no return", NOW, "host", false },
        { "nor against itself", NOW, "desk", false },
        { "what is not held stands against nothing", 0, "pass", false },
};

static void test_against(void **state) {
        const struct Against *row = *state;
        RunState now = { .mode = "desk", .hold = { .since = row->held_since } };

        assert_int_equal(hold_is_against(&now, row->mode, "host"), row->is_against);
}

static void write_state(FakeHost *fake, uint64_t since) {
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "vfio-mode-state=1\nmode=host\nsince=3\nheld-since=%llu\n"
                       "held-by=no VM has come\n",
                       (unsigned long long)since);
        fake_host_write(fake, STATUS_PATH, text);
}

/* The hold of a mode that was chosen anew is another one. */
static void test_release(_unused_ void **state) {
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();
        _cleanup_(root_close) Root own = ROOT_NULL;
        const Root *root = &own;
        _cleanup_free_ RunState *now = calloc(1, sizeof(*now));
        Refusal refusal = { 0 };

        assert_int_equal(root_open(fake_host_path(fake), &own), 0);
        fake_host_write(fake, RELEASED_PATH, "damaged\n");
        write_state(fake, NOW);
        assert_int_equal(state_read(root, now), 0);
        assert_int_equal(now->hold.since, NOW);
        assert_int_equal(hold_refuse(now, &refusal), REFUSAL_HELD);
        assert_non_null(strstr(refusal.text, "Mode 'host' is held since 1970-01-01 "));
        assert_non_null(strstr(refusal.text, "(no VM has come)"));
        assert_int_equal(hold_release(root, now), 0);
        assert_int_equal(state_read(root, now), 0);
        assert_int_equal(now->hold.since, 0);
        assert_string_equal(now->hold.reason, "");
        write_state(fake, NOW + 1);
        assert_int_equal(state_read(root, now), 0);
        assert_int_equal(now->hold.since, NOW + 1);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_source, sources);
        TABLE_ROWS(&table, test_follow, follows);
        TABLE_ROWS(&table, test_against, againsts);
        table_add(&table, "what is released is one hold", test_release, NULL);
        return table_run("hold", &table);
}
