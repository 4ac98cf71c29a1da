/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard decides: a script of moments, at which a VM is there or not. */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/vm-watch.h"
#include "table.h"

#define SEC UINT64_C(1000000)
#define START (1000 * SEC)

static const ConfigMode expects = { .name = "x", .expect_vm = 30 };
static const ConfigMode leaves = { .name = "x",
                                   .on_vm_exit = CONFIG_ON_VM_EXIT_FALLBACK,
                                   .vm_exit_grace = 5 };
static const ConfigMode both = { .name = "x",
                                 .expect_vm = 30,
                                 .on_vm_exit = CONFIG_ON_VM_EXIT_FALLBACK };

static const ConfigMode confirms = { .name = "x", .confirm = CONFIG_CONFIRM_VM };
static const ConfigMode confirms_and_leaves = { .name = "x",
                                                .confirm = CONFIG_CONFIRM_VM,
                                                .on_vm_exit = CONFIG_ON_VM_EXIT_FALLBACK };

#define NOBODY "no VM has opened gpu within 30 s"
#define FAILED "the VM that had opened gpu has ended within 10 s"
#define ENDED(grace) "the last VM that had opened gpu has ended, and none has come for " grace " s"

typedef struct Moment {
        double at; /* seconds after the switch */
        bool is_open;
} Moment;

/* Every moment but the last one is waited at. */
static const struct Course {
        const char *title;
        const ConfigMode *mode;
        Moment moments[8];
        size_t n;
        VmVerdict verdict;
        const char *reason;
} courses[] = {
        { "a VM that is expected may take its time",
          &expects,
          { { 0, false }, { 29.9, false } },
          2,
          VM_WAIT,
          "" },
        { "no VM comes", &expects, { { 0, false }, { 30, false } }, 2, VM_FALL_BACK, NOBODY },
        { "a VM comes in the last moment",
          &expects,
          { { 29, false }, { 30, true } },
          2,
          VM_WAIT,
          "" },
        { "a VM that has settled is all that was awaited",
          &expects,
          { { 1, true }, { 900, true } },
          2,
          VM_DONE,
          "" },
        { "a VM fails to start",
          &expects,
          { { 1, true }, { 1.5, false } },
          2,
          VM_FALL_BACK,
          FAILED },
        { "a VM ends just before it counts",
          &expects,
          { { 1, true }, { 10.9, false } },
          2,
          VM_FALL_BACK,
          FAILED },
        { "a VM that failed stays failed, whatever comes",
          &expects,
          { { 1, true }, { 1, false }, { 2, true } },
          3,
          VM_FALL_BACK,
          FAILED },
        { "a VM has come and ends", &expects, { { 1, true }, { 11, false } }, 2, VM_DONE, "" },
        { "after it nothing is awaited",
          &expects,
          { { 1, true }, { 11, false }, { 12, true } },
          3,
          VM_DONE,
          "" },
        { "nobody has to come", &leaves, { { 0, false }, { 90000, false } }, 2, VM_WAIT, "" },
        { "the last VM has ended, and another may come",
          &leaves,
          { { 1, true }, { 50, false }, { 54.9, false } },
          3,
          VM_WAIT,
          "" },
        { "none comes after the last VM",
          &leaves,
          { { 1, true }, { 50, false }, { 55, false } },
          3,
          VM_FALL_BACK,
          ENDED("5") },
        { "it comes again",
          &leaves,
          { { 1, true }, { 50, false }, { 54, true }, { 70, false }, { 74, false } },
          5,
          VM_WAIT,
          "" },
        { "where none is expected a short one has been there, too",
          &leaves,
          { { 1, true }, { 2, false }, { 6, false } },
          3,
          VM_WAIT,
          "" },
        { "a boot waits for a VM to confirm it",
          &confirms,
          { { 1, true }, { 10.9, true } },
          2,
          VM_WAIT,
          "" },
        { "and for another one, where one did not stay",
          &confirms,
          { { 1, true }, { 2, false }, { 90, false }, { 91, true } },
          4,
          VM_WAIT,
          "" },
        { "until one has stayed", &confirms, { { 1, true }, { 11, true } }, 2, VM_DONE, "" },
        { "be it that it ends in the moment of the look",
          &confirms,
          { { 1, true }, { 11, false } },
          2,
          VM_DONE,
          "" },
        { "one that has confirmed the boot takes the mode along",
          &confirms_and_leaves,
          { { 1, true }, { 11, true }, { 20, false }, { 35, false } },
          4,
          VM_FALL_BACK,
          ENDED("15") },
        { "both: no VM comes", &both, { { 30, false } }, 1, VM_FALL_BACK, NOBODY },
        { "both: a VM fails to start",
          &both,
          { { 1, true }, { 2, false } },
          2,
          VM_FALL_BACK,
          FAILED },
        { "both: a VM ends",
          &both,
          { { 1, true }, { 20, false }, { 34.9, false } },
          3,
          VM_WAIT,
          "" },
        { "both: none comes after it",
          &both,
          { { 1, true }, { 20, false }, { 35, false } },
          3,
          VM_FALL_BACK,
          ENDED("15") },
        { "both: one that comes after it need not stay",
          &both,
          { { 1, true }, { 20, false }, { 21, true }, { 22, false }, { 36.9, false } },
          5,
          VM_WAIT,
          "" },
};

static uint64_t at(double seconds) {
        return START + (uint64_t)(seconds * (double)SEC);
}

static void test_course(void **state) {
        const struct Course *row = *state;
        VmWatch watch = { .mode = "x" };
        char reason[VM_WATCH_REASON_SIZE] = "";
        VmVerdict verdict = VM_WAIT;

        vm_watch_start_clock(&watch, START);
        for (size_t i = 0; i < row->n; i++) {
                char text[VM_WATCH_SIZE_MAX];

                verdict = vm_watch_look(&watch, row->mode, at(row->moments[i].at),
                                        row->moments[i].is_open, "gpu", reason);
                /* Another guard goes on from here. */
                assert_true(vm_watch_format(&watch, text, sizeof(text)) > 0);
                (void)memset(&watch, 0x5a, sizeof(watch));
                assert_int_equal(vm_watch_parse(text, &watch), 0);
        }
        assert_int_equal(verdict, row->verdict);
        assert_string_equal(reason, row->reason);
}

/* --- when it is looked again --- */

static const struct Next {
        const char *title;
        const ConfigMode *mode;
        VmPhase phase;
        double since, now;
        double next; /* 0: never */
} nexts[] = {
        { "often at first", &expects, VM_EXPECTED, 0, 0, 0.25 },
        { "often for five seconds", &expects, VM_EXPECTED, 0, 4.9, 5.15 },
        { "then every second", &expects, VM_EXPECTED, 0, 5, 6 },
        { "at the end of the time, not later", &expects, VM_EXPECTED, 0, 29.5, 30 },
        { "at once where it is over", &expects, VM_EXPECTED, 0, 31, 31 },
        { "every second where nobody has to come", &leaves, VM_EXPECTED, 0, 3600, 3601 },
        { "never while a VM is there", &both, VM_THERE, 0, 1, 0 },
        { "when a VM has confirmed the boot", &confirms, VM_THERE, 0, 1, 10 },
        { "never when nothing is awaited", &both, VM_OVER, 0, 1, 0 },
        { "often after the last one", &leaves, VM_GONE, 0, 0, 0.25 },
        { "at the end of the grace, not later", &leaves, VM_GONE, 0, 4.9, 5 },
};

static void test_next(void **state) {
        const struct Next *row = *state;
        const VmWatch watch = { .phase = row->phase, .since = at(row->since) };
        uint64_t next = vm_watch_next_look(&watch, row->mode, at(row->now));

        assert_true(next == (row->next <= 0 ? VM_WATCH_NEVER : at(row->next)));
}

/* While the machine boots a VM may come, and the time of one that does not is not counted. */
static void test_clock(_unused_ void **state) {
        char reason[VM_WATCH_REASON_SIZE], text[VM_WATCH_REASON_SIZE];
        VmWatch watch = { .mode = "x" };

        assert_int_equal(vm_watch_look(&watch, &expects, at(500), false, "gpu", reason), VM_WAIT);
        assert_true(vm_watch_next_look(&watch, &expects, at(500)) == at(501));
        assert_non_null(strstr(vm_watch_describe(&watch, &expects, "gpu", text), "multi-user"));
        vm_watch_start_clock(&watch, at(500));
        vm_watch_start_clock(&watch, at(520));
        assert_int_equal(vm_watch_look(&watch, &expects, at(529), false, "gpu", reason), VM_WAIT);
        assert_string_equal(vm_watch_describe(&watch, &expects, "gpu", text),
                            "Waiting 30 s for a VM to open gpu.");
        assert_int_equal(vm_watch_look(&watch, &expects, at(530), false, "gpu", reason),
                         VM_FALL_BACK);
        watch = (VmWatch){ .mode = "x" };
        assert_int_equal(vm_watch_look(&watch, &expects, at(1), true, "gpu", reason), VM_WAIT);
        assert_int_equal(watch.phase, VM_THERE);
        assert_string_equal(vm_watch_describe(&watch, &expects, "gpu", text),
                            "A VM has opened gpu.");
}

static void test_needed(_unused_ void **state) {
        const ConfigMode plain = { .name = "x" };

        assert_false(vm_watch_is_needed(&plain));
        assert_true(vm_watch_is_needed(&expects));
        assert_true(vm_watch_is_needed(&leaves));
        assert_true(vm_watch_is_needed(&confirms));
}

static void test_devices(_unused_ void **state) {
        Config config = { .fallback_mode = "host", .n_modes = 2 };

        (void)strcpy(config.modes[0].name, "host");
        config.modes[0].vfio_devices = 0x5;
        (void)strcpy(config.modes[1].name, "x");
        config.modes[1].vfio_devices = 0x7;
        assert_int_equal(vm_watch_devices(&config, &config.modes[1]), 0x2);
        assert_int_equal(vm_watch_devices(&config, &config.modes[0]), 0);
}

/* --- what is left for the next guard --- */

#define WHOLE "mode=x\nmode-since=5\nphase=there\nsince=6\nsettled=no\n"

static const struct Damaged {
        const char *title, *text;
} damaged[] = {
        { "nothing", "" },
        { "no mode", "mode-since=5\nphase=there\nsince=6\nsettled=no\n" },
        { "no phase", "mode=x\nmode-since=5\nsince=6\nsettled=no\n" },
        { "a torn line", "mode=x\nphase=there\nsince=6" },
        { "what is no mode", "mode=../x\nphase=there\n" },
        { "an unknown phase", "mode=x\nphase=here\n" },
        { "a time that is no number", "mode=x\nphase=there\nsince=-1\n" },
        { "a time that would overflow", "mode=x\nphase=there\nsince=9223372036854775808\n" },
        { "neither yes nor no", "mode=x\nphase=there\nsettled=1\n" },
        { "an unknown key", WHOLE "pid=1\n" },
};

static void test_damaged(void **state) {
        const struct Damaged *row = *state;
        VmWatch watch, untouched;

        (void)memset(&watch, 0x5a, sizeof(watch));
        untouched = watch;
        assert_int_equal(vm_watch_parse(row->text, &watch), -EBADMSG);
        assert_memory_equal(&watch, &untouched, sizeof(watch));
}

static void test_whole(_unused_ void **state) {
        char text[VM_WATCH_SIZE_MAX];
        VmWatch watch;

        assert_int_equal(vm_watch_parse(WHOLE, &watch), 0);
        assert_int_equal(watch.phase, VM_THERE);
        assert_int_equal(vm_watch_format(&watch, text, sizeof(text)), strlen(WHOLE));
        assert_string_equal(text, WHOLE);
        assert_int_equal(vm_watch_format(&watch, text, strlen(WHOLE)), -ENOSPC);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_course, courses);
        TABLE_ROWS(&table, test_next, nexts);
        table_add(&table, "while the machine boots no time counts", test_clock, NULL);
        table_add(&table, "who has something to watch for", test_needed, NULL);
        table_add(&table, "devices of the fallback mode are not watched", test_devices, NULL);
        TABLE_ROWS(&table, test_damaged, damaged);
        table_add(&table, "what is known comes back as it was written", test_whole, NULL);
        return table_run("vm-watch", &table);
}
