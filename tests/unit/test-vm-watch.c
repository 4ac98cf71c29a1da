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

static const ConfigMode plain = { .name = "x" };
static const ConfigMode expects = { .name = "x", .expect_vm = 30 };
static const ConfigMode leaves = { .name = "x",
                                   .on_vm_exit = CONFIG_ON_VM_EXIT_FALLBACK,
                                   .vm_exit_grace = 5 };
static const ConfigMode both = { .name = "x",
                                 .expect_vm = 30,
                                 .on_vm_exit = CONFIG_ON_VM_EXIT_FALLBACK };

/* What stands for the boot, too: where a mode says so, here, the boot waits to be confirmed. */
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
        const char *word; /* of a hook, just before; NULL: none */
} Moment;

/* Every moment but the last one is waited at. */
static const struct Course {
        const char *title;
        const ConfigMode *mode;
        Moment moments[8];
        size_t n;
        VmVerdict verdict;
        const char *reason;
        bool is_for_vm;
} courses[] = {
        { "a VM that is expected may take its time",
          &expects,
          { { 0, false, NULL }, { 29.9, false, NULL } },
          2,
          VM_WAIT,
          "",
          false },
        { "no VM comes",
          &expects,
          { { 0, false, NULL }, { 30, false, NULL } },
          2,
          VM_FALL_BACK,
          NOBODY,
          false },
        { "a VM comes in the last moment",
          &expects,
          { { 29, false, NULL }, { 30, true, NULL } },
          2,
          VM_WAIT,
          "",
          false },
        { "after a VM that has settled nothing is awaited",
          &expects,
          { { 1, true, NULL }, { 900, true, NULL }, { 901, false, NULL } },
          3,
          VM_DONE,
          "",
          false },
        { "a VM fails to start",
          &expects,
          { { 1, true, NULL }, { 1.5, false, NULL } },
          2,
          VM_FALL_BACK,
          FAILED,
          false },
        { "a VM ends just before it counts",
          &expects,
          { { 1, true, NULL }, { 10.9, false, NULL } },
          2,
          VM_FALL_BACK,
          FAILED,
          false },
        { "a VM that failed stays failed, whatever comes",
          &expects,
          { { 1, true, NULL }, { 1, false, NULL }, { 2, true, NULL } },
          3,
          VM_FALL_BACK,
          FAILED,
          false },
        { "a VM has come and ends",
          &expects,
          { { 1, true, NULL }, { 11, false, NULL } },
          2,
          VM_DONE,
          "",
          false },
        { "after it nothing is awaited",
          &expects,
          { { 1, true, NULL }, { 11, false, NULL }, { 12, true, NULL } },
          3,
          VM_DONE,
          "",
          false },
        { "nobody has to come",
          &leaves,
          { { 0, false, NULL }, { 90000, false, NULL } },
          2,
          VM_WAIT,
          "",
          false },
        { "the last VM has ended, and another may come",
          &leaves,
          { { 1, true, NULL }, { 50, false, NULL }, { 54.9, false, NULL } },
          3,
          VM_WAIT,
          "",
          false },
        { "none comes after the last VM",
          &leaves,
          { { 1, true, NULL }, { 50, false, NULL }, { 55, false, NULL } },
          3,
          VM_GO_BACK,
          ENDED("5"),
          false },
        { "it comes again",
          &leaves,
          { { 1, true, NULL },
            { 50, false, NULL },
            { 54, true, NULL },
            { 70, false, NULL },
            { 74, false, NULL } },
          5,
          VM_WAIT,
          "",
          false },
        { "where none is expected a short one has been there, too",
          &leaves,
          { { 1, true, NULL }, { 2, false, NULL }, { 6, false, NULL } },
          3,
          VM_WAIT,
          "",
          false },
        { "a boot waits for a VM to confirm it",
          &confirms,
          { { 1, true, NULL }, { 10.9, true, NULL } },
          2,
          VM_WAIT,
          "",
          false },
        { "and for another one, where one did not stay",
          &confirms,
          { { 1, true, NULL }, { 2, false, NULL }, { 90, false, NULL }, { 91, true, NULL } },
          4,
          VM_WAIT,
          "",
          false },
        { "while one is there it is there",
          &confirms,
          { { 1, true, NULL }, { 900, true, NULL } },
          2,
          VM_WAIT,
          "",
          false },
        { "until one has stayed",
          &confirms,
          { { 1, true, NULL }, { 11, true, NULL }, { 12, false, NULL } },
          3,
          VM_DONE,
          "",
          false },
        { "be it that it ends in the moment of the look",
          &confirms,
          { { 1, true, NULL }, { 11, false, NULL } },
          2,
          VM_DONE,
          "",
          false },
        { "one that has confirmed the boot takes the mode along",
          &confirms_and_leaves,
          { { 1, true, NULL }, { 11, true, NULL }, { 20, false, NULL }, { 35, false, NULL } },
          4,
          VM_GO_BACK,
          ENDED("15"),
          false },
        { "both: no VM comes", &both, { { 30, false, NULL } }, 1, VM_FALL_BACK, NOBODY, false },
        { "both: a VM fails to start",
          &both,
          { { 1, true, NULL }, { 2, false, NULL } },
          2,
          VM_FALL_BACK,
          FAILED,
          false },
        { "both: a VM ends",
          &both,
          { { 1, true, NULL }, { 20, false, NULL }, { 34.9, false, NULL } },
          3,
          VM_WAIT,
          "",
          false },
        { "both: none comes after it",
          &both,
          { { 1, true, NULL }, { 20, false, NULL }, { 35, false, NULL } },
          3,
          VM_GO_BACK,
          ENDED("15"),
          false },
        { "both: one that comes after it need not stay",
          &both,
          { { 1, true, NULL },
            { 20, false, NULL },
            { 21, true, NULL },
            { 22, false, NULL },
            { 36.9, false, NULL } },
          5,
          VM_WAIT,
          "",
          false },
        /* --- told by hooks --- */
        { "for a VM: one that is announced has a minute",
          &plain,
          { { 0, false, NULL }, { 1, false, "begun" }, { 60.9, false, NULL } },
          3,
          VM_WAIT,
          "",
          true },
        { "for a VM: it does not come",
          &plain,
          { { 0, false, NULL }, { 1, false, "begun" }, { 61, false, NULL } },
          3,
          VM_FALL_BACK,
          "VM 'win 11' has not opened gpu within 60 s",
          true },
        { "for a VM: nobody is announced",
          &plain,
          { { 0, false, NULL }, { 60, false, NULL } },
          2,
          VM_FALL_BACK,
          "no VM has opened gpu within 60 s",
          true },
        { "for a VM: it has settled, and ends",
          &plain,
          { { 1, false, "begun" }, { 2, true, NULL }, { 12, true, NULL }, { 13, false, NULL } },
          4,
          VM_DONE,
          "",
          true },
        { "for a VM: its start has failed",
          &plain,
          { { 1, false, "begun" }, { 2, false, "failed" } },
          2,
          VM_FALL_BACK,
          "VM 'win 11' has failed",
          true },
        { "for a VM: its start has failed before anybody watched",
          &plain,
          { { 2, false, "failed" } },
          1,
          VM_FALL_BACK,
          "VM 'win 11' has failed",
          true },
        { "for a VM: one that was not announced has ended",
          &plain,
          { { 2, false, "stopped" } },
          1,
          VM_WAIT,
          "",
          true },
        { "for a VM: it has ended without ever having had it",
          &plain,
          { { 1, false, "begun" }, { 2, false, "stopped" } },
          2,
          VM_FALL_BACK,
          "VM 'win 11' has failed",
          true },
        { "for a VM: it is gone at once, and its hook is waited for",
          &plain,
          { { 1, false, "begun" }, { 2, true, NULL }, { 3, false, NULL }, { 7.9, false, NULL } },
          4,
          VM_WAIT,
          "",
          true },
        { "for a VM: its hook says nothing",
          &plain,
          { { 1, false, "begun" }, { 2, true, NULL }, { 3, false, NULL }, { 8, false, NULL } },
          4,
          VM_FALL_BACK,
          "VM 'win 11' that had opened gpu has ended within 10 s",
          true },
        { "for a VM: its hook says that it has failed",
          &plain,
          { { 1, false, "begun" },
            { 2, true, NULL },
            { 3, false, NULL },
            { 3.1, false, "failed" } },
          4,
          VM_FALL_BACK,
          "VM 'win 11' has failed",
          true },
        { "for a VM: its hook says that it was stopped",
          &plain,
          { { 1, false, "begun" },
            { 2, true, NULL },
            { 3, false, NULL },
            { 3.1, false, "stopped" } },
          4,
          VM_DONE,
          "",
          true },
        { "for a VM: its hook says so before it is gone",
          &plain,
          { { 1, false, "begun" }, { 2, true, NULL }, { 3, true, "stopped" }, { 4, false, NULL } },
          4,
          VM_DONE,
          "",
          true },
        { "for a VM that takes the mode along: it was stopped",
          &leaves,
          { { 1, false, "begun" },
            { 2, true, NULL },
            { 3, false, NULL },
            { 4, false, "stopped" },
            { 9, false, NULL } },
          5,
          VM_GO_BACK,
          ENDED("5"),
          true },
        { "a VM that takes the mode along has crashed",
          &leaves,
          { { 1, false, "begun" },
            { 2, true, NULL },
            { 20, false, NULL },
            { 21, false, "failed" },
            { 25, false, NULL } },
          5,
          VM_FALL_BACK,
          "VM 'win 11' has failed, and none has come for 5 s",
          false },
        { "another one's failed start is not that of who runs",
          &leaves,
          { { 1, true, NULL },
            { 20, true, "failed" },
            { 30, true, "stopped" },
            { 31, false, NULL },
            { 36, false, NULL } },
          5,
          VM_GO_BACK,
          ENDED("5"),
          false },
        { "one that is announced in the grace has a minute",
          &leaves,
          { { 2, true, NULL }, { 20, false, NULL }, { 24, false, "begun" }, { 83.9, false, NULL } },
          4,
          VM_WAIT,
          "",
          false },
        { "and then no more",
          &leaves,
          { { 2, true, NULL }, { 20, false, NULL }, { 24, false, "begun" }, { 84, false, NULL } },
          4,
          VM_FALL_BACK,
          "VM 'win 11' has not opened gpu within 60 s",
          false },
        { "one that is announced in the grace fails to start",
          &leaves,
          { { 2, true, NULL },
            { 20, false, NULL },
            { 24, false, "begun" },
            { 25, false, "failed" } },
          4,
          VM_FALL_BACK,
          "VM 'win 11' has failed",
          false },
        { "one that says that it comes again has a minute",
          &leaves,
          { { 2, true, NULL },
            { 20, false, NULL },
            { 21, false, "restarting" },
            { 80.9, false, NULL } },
          4,
          VM_WAIT,
          "",
          false },
        { "it says so before it is gone",
          &leaves,
          { { 2, true, NULL },
            { 19, true, "restarting" },
            { 20, false, NULL },
            { 79.9, false, NULL } },
          4,
          VM_WAIT,
          "",
          false },
        { "and does not come",
          &leaves,
          { { 2, true, NULL },
            { 20, false, NULL },
            { 21, false, "restarting" },
            { 81, false, NULL } },
          4,
          VM_GO_BACK,
          ENDED("60"),
          false },
        { "a person's mode does not end with a start that fails",
          &leaves,
          { { 1, false, "begun" }, { 2, false, "failed" }, { 900, false, NULL } },
          3,
          VM_WAIT,
          "",
          false },
        { "a mode that expects one gives it all its time",
          &expects,
          { { 0, false, NULL }, { 20, false, "begun" }, { 49.9, false, NULL } },
          3,
          VM_WAIT,
          "",
          false },
        { "and ends with a start that fails",
          &expects,
          { { 0, false, NULL }, { 20, false, "begun" }, { 21, false, "failed" } },
          3,
          VM_FALL_BACK,
          "VM 'win 11' has failed",
          false },
        { "one that has ended, nobody knows how, has failed where it had not stayed",
          &expects,
          { { 0, false, "begun" },
            { 8, true, NULL },
            { 11, true, "ended" },
            { 11.1, false, NULL } },
          4,
          VM_FALL_BACK,
          "VM 'win 11' that had opened gpu has ended within 10 s",
          false },
        { "also where that was seen before it was told",
          &leaves,
          { { 0, false, "begun" },
            { 8, true, NULL },
            { 11, false, NULL },
            { 11.1, false, "ended" } },
          4,
          VM_FALL_BACK,
          "VM 'win 11' that had opened gpu has ended within 10 s",
          true },
        { "or had not come",
          &expects,
          { { 0, false, "begun" }, { 25, false, "ended" } },
          2,
          VM_FALL_BACK,
          "VM 'win 11' has failed",
          false },
        { "and not where it had stayed",
          &leaves,
          { { 0, false, "begun" },
            { 8, true, NULL },
            { 18, true, "ended" },
            { 19, false, NULL },
            { 24, false, NULL } },
          5,
          VM_GO_BACK,
          ENDED("5"),
          true },
};

static uint64_t at(double seconds) {
        return START + (uint64_t)(seconds * (double)SEC);
}

/* Twice, as each look does. */
static void hear(VmWatch *watch, const ConfigMode *mode, const Moment *moment) {
        Vm vm = { .name = "win 11", .word = VM_WORD_BEGUN, .time = at(moment->at) };

        if (strcmp(moment->word, "begun") != 0)
                assert_int_equal(vm_word_parse_end(moment->word, &vm.word), 0);
        vm_watch_hear(watch, mode, &vm, at(moment->at));
        vm_watch_hear(watch, mode, &vm, at(moment->at + 0.01));
}

static void test_course(void **state) {
        const struct Course *row = *state;
        VmWatch watch = { .mode = "x", .is_for_vm = row->is_for_vm };
        char reason[VM_WATCH_REASON_SIZE] = "";
        VmVerdict verdict = VM_WAIT;

        vm_watch_start_clock(&watch, START);
        for (size_t i = 0; i < row->n; i++) {
                char text[VM_WATCH_SIZE_MAX];

                watch.confirms = row->mode->confirm == CONFIG_CONFIRM_VM;
                if (row->moments[i].word)
                        hear(&watch, row->mode, &row->moments[i]);
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
        const VmWatch watch = { .phase = row->phase,
                                .since = at(row->since),
                                .confirms = row->mode->confirm == CONFIG_CONFIRM_VM };
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

static VmVerdict first_look(const ConfigMode *mode, bool is_for_vm, bool confirms_boot) {
        char reason[VM_WATCH_REASON_SIZE];
        VmWatch watch = { .mode = "x", .is_for_vm = is_for_vm, .confirms = confirms_boot };

        return vm_watch_look(&watch, mode, at(1), false, "gpu", reason);
}

static void test_awaited(_unused_ void **state) {
        assert_int_equal(first_look(&plain, false, false), VM_DONE);
        assert_int_equal(first_look(&plain, true, false), VM_WAIT);
        assert_int_equal(first_look(&expects, false, false), VM_WAIT);
        assert_int_equal(first_look(&leaves, false, false), VM_WAIT);
        assert_int_equal(first_look(&plain, false, true), VM_WAIT);
        assert_int_equal(first_look(&confirms, false, false), VM_DONE); /* no boot waits for it */
}

/* It may come and go all the same, and is waited for as long as it is there. */
static void test_comes_unawaited(_unused_ void **state) {
        char reason[VM_WATCH_REASON_SIZE], text[VM_WATCH_REASON_SIZE];
        VmWatch watch = { .mode = "x" };

        assert_int_equal(vm_watch_look(&watch, &plain, at(1), false, "gpu", reason), VM_DONE);
        assert_string_equal(vm_watch_describe(&watch, &plain, "gpu", text), "No VM is awaited.");
        assert_int_equal(vm_watch_look(&watch, &plain, at(2), true, "gpu", reason), VM_DONE);
        assert_int_equal(vm_watch_look(&watch, &plain, at(3), false, "gpu", reason), VM_DONE);
        assert_true(vm_watch_next_look(&watch, &plain, at(3)) == VM_WATCH_NEVER);
}

/* `vfio-modectl confirm`, while a VM is awaited, or one is there. */
static void test_confirmed_by_somebody_else(_unused_ void **state) {
        char reason[VM_WATCH_REASON_SIZE];
        VmWatch waits = { .mode = "x", .confirms = true }, has = waits, leaving = waits;

        assert_int_equal(vm_watch_look(&waits, &confirms, at(1), false, "gpu", reason), VM_WAIT);
        waits.confirms = false;
        assert_int_equal(vm_watch_look(&waits, &confirms, at(2), false, "gpu", reason), VM_DONE);

        assert_int_equal(vm_watch_look(&has, &confirms, at(1), true, "gpu", reason), VM_WAIT);
        has.confirms = false;
        assert_int_equal(vm_watch_look(&has, &confirms, at(2), true, "gpu", reason), VM_WAIT);
        assert_true(vm_watch_next_look(&has, &confirms, at(2)) == VM_WATCH_NEVER);
        assert_int_equal(vm_watch_look(&has, &confirms, at(3), false, "gpu", reason), VM_DONE);

        assert_int_equal(vm_watch_look(&leaving, &confirms_and_leaves, at(1), false, "gpu", reason),
                         VM_WAIT);
        leaving.confirms = false;
        assert_int_equal(vm_watch_look(&leaving, &confirms_and_leaves, at(2), false, "gpu", reason),
                         VM_WAIT);
}

static void test_devices(_unused_ void **state) {
        Config config = { .fallback_mode = "host", .n_modes = 2 };

        (void)strcpy(config.modes[0].name, "host");
        config.modes[0].vfio_devices = 0x5;
        (void)strcpy(config.modes[1].name, "x");
        config.modes[1].vfio_devices = 0x7;
        assert_int_equal(config_own_devices(&config, &config.modes[1]), 0x2);
        assert_int_equal(config_own_devices(&config, &config.modes[0]), 0);
}

/* --- what is left for the next guard --- */

#define WHOLE                                                                                      \
        "mode=x\nmode-since=5\nphase=there\nsince=6\nheard=7\nvm=win 11\nsettled=no\nfor-vm=yes\n" \
        "announced=no\nagain=yes\nexcused=no\nfailed=yes\n"

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
        { "a word at no time", "mode=x\nphase=there\nheard=\n" },
        { "a VM without a name", "mode=x\nphase=there\nvm=\033[31m\n" },
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

/* By who edits the configuration, and applies the mode again. */
static void test_keys_are_set_meanwhile(_unused_ void **state) {
        char reason[VM_WATCH_REASON_SIZE];
        VmWatch watch = { .mode = "x", .since = at(0) };

        assert_int_equal(vm_watch_look(&watch, &plain, at(1), false, "gpu", reason), VM_DONE);
        assert_int_equal(vm_watch_look(&watch, &leaves, at(20), true, "gpu", reason), VM_WAIT);
        assert_int_equal(vm_watch_look(&watch, &leaves, at(40), false, "gpu", reason), VM_WAIT);
        assert_int_equal(vm_watch_look(&watch, &leaves, at(45), false, "gpu", reason), VM_GO_BACK);
        assert_string_equal(reason, ENDED("5"));
        assert_int_equal(vm_watch_look(&watch, &plain, at(46), false, "gpu", reason), VM_DONE);
        /* It does not end by a VM that has gone before. */
        assert_int_equal(vm_watch_look(&watch, &leaves, at(99), false, "gpu", reason), VM_DONE);
        /* Nor does one have to come. */
        assert_int_equal(vm_watch_look(&watch, &expects, at(99), false, "gpu", reason), VM_DONE);
        assert_int_equal(vm_watch_look(&watch, &expects, at(999), true, "gpu", reason), VM_DONE);
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
        table_add(&table, "what has a VM awaited", test_awaited, NULL);
        table_add(&table, "a VM that nobody awaits", test_comes_unawaited, NULL);
        table_add(&table, "somebody else confirms the boot", test_confirmed_by_somebody_else, NULL);
        table_add(&table, "keys that are set meanwhile", test_keys_are_set_meanwhile, NULL);
        table_add(&table, "devices of the fallback mode are not watched", test_devices, NULL);
        TABLE_ROWS(&table, test_damaged, damaged);
        table_add(&table, "what is known comes back as it was written", test_whole, NULL);
        return table_run("vm-watch", &table);
}
