/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans on the fake kernel: every write fails once in every way, and either the switch is undone
 * whole or it is said that it is not; and whoever is killed has written down before where
 * everything belongs.
 */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../fake/fake-host.h"
#include "apply/lock.h"
#include "apply/plan-apply.h"
#include "apply/sysfs.h"
#include "base/log.h"
#include "host/host-scan.h"
#include "host/state-files.h"
#include "real-node.h"

#define DISPLAY "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define NIC "0000:05:00.0"
#define WRITES_MAX 40

#define CONFIG                                                       \
        "[general]\ndefault-mode = host\nfallback-mode = host\n"     \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n" \
        "[device nic]\naddress = 0000:05:00.0\n"                     \
        "[mode passthrough]\nvfio-devices = gpu\n"                   \
        "[mode router]\nvfio-devices = nic\n"

typedef struct Switch {
        FakeHost *fake;
        Root root;
        Config config;
        RunState state;
        Host host;
        Plan plan;
        UndoLog undo;
        Writer writer;
        Refusal refusal;
} Switch;

/* --- a machine and a switch --- */

static Switch *switch_new(void) {
        ConfigSource source = { "test", CONFIG, strlen(CONFIG) };
        Switch *s = calloc(1, sizeof(*s));
        ConfigErrors errors;
        int lock;

        s->undo = UNDO_LOG_NULL;
        s->fake = fake_host_new();
        fake_host_add_bridge(s->fake, "0000:00:01.0", 12);
        fake_host_add_gpu(s->fake, DISPLAY, .group = 12, .driver = "nvidia", .audio = true,
                          .boot_vga = true);
        fake_host_add_nic(s->fake, NIC, 15);
        assert_int_equal(root_open(fake_host_path(s->fake), &s->root), 0);
        s->writer = writer_new(&s->root, false);
        assert_int_equal(config_parse(&source, 1, &s->config, &errors), 0);
        assert_int_equal(lock_take(&s->root, false, &lock), 0);
        assert_int_equal(close(lock), 0);
        log_set_max_level(LOG_EMERG);
        return s;
}

static void switch_free(Switch *s) {
        writer_close(&s->writer);
        undo_log_close(&s->undo);
        root_close(&s->root);
        fake_host_freep(&s->fake);
        free(s);
}

static RefusalKind switch_to(Switch *s, const char *mode, bool best_effort) {
        PlanInput input = {
                .config = &s->config, .host = &s->host, .state = &s->state, .mode = mode
        };

        undo_log_close(&s->undo);
        s->refusal = (Refusal){ 0 };
        assert_int_equal(host_scan(&s->root, &s->config, &s->state, &s->host), 0);
        assert_int_equal(plan_make(&input, &s->plan, &s->refusal), REFUSAL_NONE);
        assert_int_equal(undo_log_open(&s->root, "", mode, NULL, &s->undo), 0);
        return plan_apply(&s->writer, &s->plan, &s->host, best_effort, NULL, &s->undo, &s->refusal);
}

/* What a program keeps after a switch that was done: the homes of what is on vfio-pci. */
static void keep_homes(Switch *s) {
        s->state.n_homes = 0;
        for (size_t i = 0; i < s->plan.n_vfio; i++) {
                const HomeFunction *home = run_state_find_home(&s->undo.state, s->plan.vfio[i]);

                if (home)
                        assert_int_equal(run_state_add_home(&s->state, home), 0);
        }
}

static void assert_driver(Switch *s, const char *address, const char *expected) {
        char *driver = fake_host_driver(s->fake, address);

        assert_string_equal(driver, expected);
        free(driver);
}

/* Set before the switch, and lost by binding to vfio-pci and back. */
static void allow_sleep(Switch *s) {
        fake_host_write(s->fake, "sys/bus/pci/devices/" DISPLAY "/power/control", "auto\n");
}

/* Undone as well, unless that is the write that failed. */
static void assert_sleep(Switch *s) {
        char *control = fake_host_read(s->fake, "sys/bus/pci/devices/" DISPLAY "/power/control");
        char *log = fake_host_read(s->fake, ".fake-log");

        assert_true(strcmp(control, "auto\n") == 0 || strstr(log, "power " DISPLAY " auto"));
        free(control);
        free(log);
}

static unsigned count_writes(Switch *s) {
        char *log = fake_host_read(s->fake, ".fake-log");
        unsigned n = 0;

        for (const char *c = log; *c; c++)
                n += *c == '\n';
        free(log);
        return n;
}

/* --- there and back --- */

static void test_there_and_back(void **state) {
        Switch *s = switch_new();
        char *before = fake_host_snapshot(s->fake), *after;

        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        keep_homes(s);
        assert_driver(s, DISPLAY, "vfio-pci");
        assert_driver(s, AUDIO, "vfio-pci");
        assert_driver(s, NIC, "e1000e");
        assert_driver(s, "0000:00:01.0", "pcieport");
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        assert_int_equal(s->plan.n_steps, 0);
        assert_int_equal(switch_to(s, "host", true), REFUSAL_NONE);
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        assert_int_equal(undo_log_remove(&s->undo), 0);
        assert_int_equal(undo_log_remove(&s->undo), 0);
        assert_false(fake_host_exists(s->fake, UNDO_PATH));
        free(before);
        free(after);
        switch_free(s);
}

static void test_writes(void **state) {
        Switch *s = switch_new();
        char *log;

        fake_host_set_faults(s->fake, NULL);
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        log = fake_host_read(s->fake, ".fake-log");
        assert_string_equal(log, "override 0000:01:00.1 vfio-pci ok\n"
                                 "unbind 0000:01:00.1 snd_hda_intel ok\n"
                                 "bind 0000:01:00.1 vfio-pci ok\n"
                                 "override 0000:01:00.0 vfio-pci ok\n"
                                 "unbind 0000:01:00.0 nvidia ok\n"
                                 "bind 0000:01:00.0 vfio-pci ok\n");
        free(log);
        switch_free(s);
}

/* --- every write fails --- */

typedef struct Row {
        const char *title;
        const char *first; /* a switch before, without faults; NULL: none */
        const char *mode;
        const char *action;
} Row;

static const Row rows[] = {
        { "to vfio-pci: each write fails with EIO", NULL, "passthrough", "EIO" },
        { "to vfio-pci: each write fails with EBUSY", NULL, "passthrough", "EBUSY" },
        { "to vfio-pci: each write fails with ENODEV", NULL, "passthrough", "ENODEV" },
        { "to vfio-pci: each write reports success and does nothing", NULL, "passthrough", "lies" },
        { "to vfio-pci: each write is done and reports EIO", NULL, "passthrough", "fails:EIO" },
        { "from one mode to another: each write fails with EIO", "router", "passthrough", "EIO" },
        { "from one mode to another: each write reports success and does nothing", "router",
          "passthrough", "lies" },
        { "from one mode to another: each write is done and reports EIO", "router", "passthrough",
          "fails:EIO" },
        { "from two functions to one: each write fails with EBUSY", "passthrough", "router",
          "EBUSY" },
        { "from two functions to one: each write reports success and does nothing", "passthrough",
          "router", "lies" },
};

static Switch *start(const Row *row) {
        Switch *s = switch_new();

        if (row->first) {
                assert_int_equal(switch_to(s, row->first, false), REFUSAL_NONE);
                keep_homes(s);
        }
        return s;
}

/* A switch that was not done left everything as before, or says that it did not. */
static void check_outcome(const Row *row, Switch *s, RefusalKind kind, const char *before,
                          unsigned nth) {
        char *after = fake_host_snapshot(s->fake);

        if (kind == REFUSAL_NONE) {
                for (size_t i = 0; i < s->plan.n_vfio; i++) {
                        char address[PCI_ADDRESS_SIZE];

                        assert_driver(s, pci_address_format(s->plan.vfio[i], address), "vfio-pci");
                }
        } else if (kind != REFUSAL_HALF_WAY) {
                if (strcmp(after, before) != 0)
                        print_error("%s: write %u: %s\n", row->title, nth, s->refusal.text);
                assert_string_equal(after, before);
        }
        if (kind != REFUSAL_NONE) {
                assert_int_equal(s->refusal.kind, kind);
                assert_true(strlen(s->refusal.text) > 0);
                assert_null(strchr(s->refusal.text, '\n'));
        }
        free(after);
}

static void test_each_write_fails(void **state) {
        const Row *row = *state;

        for (unsigned nth = 1; nth < WRITES_MAX; nth++) {
                Switch *s = start(row);
                char *before = fake_host_snapshot(s->fake), fault[64];
                RefusalKind kind;
                unsigned writes;

                allow_sleep(s);
                (void)snprintf(fault, sizeof(fault), "* * * %u %s\n", nth, row->action);
                fake_host_set_faults(s->fake, fault);
                kind = switch_to(s, row->mode, false);
                check_outcome(row, s, kind, before, nth);
                writes = count_writes(s);
                /* One failure can always be undone. */
                if (kind == REFUSAL_HALF_WAY)
                        print_error("%s: write %u: %s\n", row->title, nth, s->refusal.text);
                assert_true(kind == REFUSAL_NONE || kind == REFUSAL_FAILED);
                if (kind == REFUSAL_FAILED)
                        assert_sleep(s);
                free(before);
                switch_free(s);
                if (writes < nth)
                        return;
        }
        fail_msg("more than %d writes", WRITES_MAX);
}

static void test_two_writes_fail(void **state) {
        const Row *row = *state;
        unsigned half_way = 0;

        for (unsigned first = 1; first <= 12; first++)
                for (unsigned second = first + 1; second <= first + 5; second++) {
                        Switch *s = start(row);
                        char *before = fake_host_snapshot(s->fake), fault[96];
                        RefusalKind kind;

                        (void)snprintf(fault, sizeof(fault), "* * * %u %s\n* * * %u %s\n", first,
                                       row->action, second, row->action);
                        fake_host_set_faults(s->fake, fault);
                        kind = switch_to(s, row->mode, false);
                        half_way += kind == REFUSAL_HALF_WAY;
                        check_outcome(row, s, kind, before, first * 100 + second);
                        free(before);
                        switch_free(s);
                }
        print_message("# %u half-way\n", half_way);
}

static void test_says_what_was_undone(void **state) {
        static const struct {
                const char *faults;
                RefusalKind kind;
                const char *said;
        } cases[] = {
                { "bind " DISPLAY " vfio-pci 1 EBUSY\n", REFUSAL_FAILED,
                  " Undone: " DISPLAY " is on nvidia again, " AUDIO " is on snd_hda_intel again." },
                { "unbind " AUDIO " * 1 EIO\n", REFUSAL_FAILED,
                  "This failed: " AUDIO ": unbind from snd_hda_intel (Input/output error). "
                  "Undone: no function had left its driver." },
                { "bind " DISPLAY " vfio-pci 1 EBUSY\nbind " AUDIO " snd_hda_intel 1 ENOMEM\n",
                  REFUSAL_HALF_WAY,
                  " Not everything could be put back: " AUDIO ". Undone: " DISPLAY
                  " is on nvidia again." },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Switch *s = switch_new();

                fake_host_set_faults(s->fake, cases[i].faults);
                assert_int_equal(switch_to(s, "passthrough", false), cases[i].kind);
                if (!strstr(s->refusal.text, cases[i].said))
                        fail_msg("%s", s->refusal.text);
                switch_free(s);
        }
}

/* --- a guest that starts while the switch is under way --- */

/* Who has a node is found by its number; the group's may not be opened here. */
static pid_t start_guest(Switch *s) {
        fake_host_write(s->fake, "sys/bus/pci/devices/" DISPLAY "/guest/dev", "1:7\n");
        fake_host_write(s->fake, "sys/bus/pci/devices/" AUDIO "/guest/dev", "1:7\n");
        real_node_use_processes(s->fake, &s->root);
        return real_node_hold(REAL_NODE, POLITE);
}

static void assert_no_unbind(Switch *s) {
        char *log = fake_host_read(s->fake, ".fake-log");

        assert_null(strstr(log, "unbind 0000:01"));
        free(log);
}

static void test_guest_on_the_way_back(void **state) {
        Switch *s = switch_new();
        pid_t guest;

        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        keep_homes(s);
        fake_host_set_faults(s->fake, NULL);
        guest = start_guest(s);
        assert_int_equal(switch_to(s, "router", false), REFUSAL_BUSY);
        assert_non_null(strstr(s->refusal.text, " has come into use meanwhile, by process "));
        assert_int_equal(switch_to(s, "host", true), REFUSAL_HALF_WAY);
        assert_no_unbind(s);
        assert_driver(s, DISPLAY, "vfio-pci");
        assert_driver(s, AUDIO, "vfio-pci");
        real_node_end(guest);
        assert_int_equal(switch_to(s, "host", true), REFUSAL_NONE);
        assert_driver(s, AUDIO, "snd_hda_intel");
        switch_free(s);
}

static void test_guest_while_undoing(void **state) {
        Switch *s = switch_new();
        pid_t guest = start_guest(s);

        fake_host_set_faults(s->fake, "bind " DISPLAY " vfio-pci 1 EBUSY\n");
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_HALF_WAY);
        assert_non_null(strstr(s->refusal.text, "Not everything could be put back: " AUDIO "."));
        assert_driver(s, DISPLAY, "nvidia");
        assert_driver(s, AUDIO, "vfio-pci");
        real_node_end(guest);
        switch_free(s);
}

/* --- the way back --- */

static void test_way_back_is_best_effort(void **state) {
        static const char *const actions[] = { "EIO", "EBUSY", "lies" };

        for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
                for (unsigned nth = 1; nth <= 6; nth++) {
                        Switch *s = switch_new();
                        char fault[64], *display, *audio;
                        RefusalKind kind;

                        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
                        keep_homes(s);
                        (void)snprintf(fault, sizeof(fault), "* * * %u %s\n", nth, actions[i]);
                        fake_host_set_faults(s->fake, fault);
                        kind = switch_to(s, "host", true);
                        display = fake_host_driver(s->fake, DISPLAY);
                        audio = fake_host_driver(s->fake, AUDIO);
                        /* The other function is home in any case, and what is not is said. */
                        assert_true(strcmp(display, "nvidia") == 0 ||
                                    strcmp(audio, "snd_hda_intel") == 0);
                        if (kind == REFUSAL_NONE)
                                assert_string_equal(display, "nvidia");
                        else
                                assert_int_equal(kind, REFUSAL_HALF_WAY);
                        fake_host_set_faults(s->fake, NULL);
                        assert_int_equal(switch_to(s, "host", true), REFUSAL_NONE);
                        assert_driver(s, DISPLAY, "nvidia");
                        assert_driver(s, AUDIO, "snd_hda_intel");
                        free(display);
                        free(audio);
                        switch_free(s);
                }
}

/* The fallback mode may have a device of its own: what does not get to vfio-pci stays as it was. */
static void test_way_back_takes_whole_or_not(void **state) {
        static const char *const actions[] = { "EIO", "lies", "fails:EIO" };
        unsigned half_way = 0;

        for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
                for (unsigned nth = 1; nth <= 3; nth++) {
                        Switch *s = switch_new();
                        char *before = fake_host_snapshot(s->fake), *after, fault[64];

                        (void)snprintf(s->config.fallback_mode, CONFIG_NAME_SIZE, "router");
                        (void)snprintf(fault, sizeof(fault), "* * * %u %s\n", nth, actions[i]);
                        fake_host_set_faults(s->fake, fault);
                        if (switch_to(s, "router", true) == REFUSAL_NONE) {
                                assert_driver(s, NIC, "vfio-pci");
                        } else {
                                half_way++;
                                after = fake_host_snapshot(s->fake);
                                assert_string_equal(after, before);
                                free(after);
                        }
                        free(before);
                        switch_free(s);
                }
        assert_true(half_way >= 3);
}

/* The display is on a driver that was told to take such cards; its own, xe, is asked after that. */
static Switch *switch_new_with_ids(const char *driver, const char *ids) {
        Switch *s = switch_new();
        char path[96];

        fake_host_add_driver(s->fake, "xe", "10de:2484\n");
        fake_host_set_driver(s->fake, DISPLAY, "");
        fake_host_remove(s->fake, "sys/bus/pci/drivers/nvidia");
        (void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/.fake-dynids", driver);
        fake_host_write(s->fake, path, ids);
        fake_host_set_driver(s->fake, DISPLAY, driver);
        fake_host_set_faults(s->fake, NULL); /* from here on it is logged */
        return s;
}

/* Told to take every such card, vfio-pci takes ours again when the kernel is asked for a driver. */
static void test_ids_of_vfio_pci(void **state) {
        Switch *s = switch_new_with_ids("vfio-pci", "1af4:1050\n10de:2484\n");
        char *left;

        assert_int_equal(switch_to(s, "host", true), REFUSAL_NONE);
        assert_driver(s, DISPLAY, "xe");
        left = fake_host_read(s->fake, "sys/bus/pci/drivers/vfio-pci/.fake-dynids");
        assert_string_equal(left, "1af4:1050\n");
        free(left);
        switch_free(s);
}

/* The same of pci-stub: it is no home, neither in host mode nor after another one. */
static void test_ids_of_pci_stub(void **state) {
        static const char *const modes[] = { "host", "passthrough" };

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                Switch *s = switch_new_with_ids("pci-stub", "10de:2484\n");
                char *log;

                assert_int_equal(switch_to(s, modes[i], i == 0), REFUSAL_NONE);
                keep_homes(s);
                assert_int_equal(switch_to(s, "host", true), REFUSAL_NONE);
                assert_driver(s, DISPLAY, "xe");
                log = fake_host_read(s->fake, ".fake-log");
                assert_non_null(strstr(log, "remove_id "));
                free(log);
                switch_free(s);
        }
}

/* Whatever is written can stall, and then it is the writer that waits. */
static void test_forgetting_an_id_stalls(void **state) {
        Switch *s = switch_new_with_ids("vfio-pci", "10de:2484\n");

        s->writer.deadline_usec = 1000000;
        fake_host_set_faults(s->fake, "remove_id * * 1 stall\n");
        assert_int_equal(switch_to(s, "host", true), REFUSAL_WEDGED);
        assert_non_null(strstr(s->refusal.text, "having vfio-pci forget the id of " DISPLAY));
        assert_int_equal(kill(s->writer.record.pid, SIGKILL), 0);
        switch_free(s);
}

static void test_host_driver_is_gone(void **state) {
        Switch *s = switch_new();

        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        keep_homes(s);
        fake_host_remove(s->fake, "sys/bus/pci/drivers/nvidia");
        assert_int_equal(switch_to(s, "host", true), REFUSAL_HALF_WAY);
        assert_non_null(strstr(s->refusal.text, DISPLAY));
        assert_non_null(strstr(s->refusal.text, "nvidia"));
        assert_driver(s, AUDIO, "snd_hda_intel");
        switch_free(s);
}

/* Bound without us and without an override, as Proxmox does by new_id; a rollback puts it back so.
 */
static void test_rollback_to_vfio_without_override(void **state) {
        Switch *s = switch_new();
        char *before, *after;

        fake_host_set_driver(s->fake, DISPLAY, "vfio-pci");
        fake_host_set_driver(s->fake, AUDIO, "vfio-pci");
        before = fake_host_snapshot(s->fake);
        fake_host_set_faults(s->fake, "bind 0000:05:00.0 vfio-pci 1 EBUSY\n");
        assert_int_equal(switch_to(s, "router", false), REFUSAL_FAILED);
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(before);
        free(after);
        switch_free(s);
}

/* Somebody had set an override for the next binding; what is bound does not match it. */
static void test_rollback_under_foreign_override(void **state) {
        Switch *s = switch_new();
        char *before, *after;

        fake_host_set_override(s->fake, AUDIO, "no-such-driver");
        before = fake_host_snapshot(s->fake);
        fake_host_set_faults(s->fake, "bind 0000:01:00.0 vfio-pci 1 EBUSY\n");
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_FAILED);
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(before);
        free(after);
        switch_free(s);
}

static void test_override_that_is_no_name(void **state) {
        Switch *s = switch_new();
        RunState *undo = malloc(sizeof(*undo));

        fake_host_set_override(s->fake, AUDIO, "two words");
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        assert_int_equal(undo_read(&s->root, undo), 0);
        assert_string_equal(run_state_find_home(undo, (PciAddress){ 0, 1, 0, 1 })->driver_override,
                            "");
        free(undo);
        switch_free(s);
}

static void test_no_module(void **state) {
        Switch *s = switch_new();
        char *before, *after;

        fake_host_remove(s->fake, "sys/bus/pci/drivers/vfio-pci");
        before = fake_host_snapshot(s->fake);
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_MODULE_UNAVAILABLE);
        assert_non_null(strstr(s->refusal.text, "vfio-pci"));
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(before);
        free(after);
        switch_free(s);
}

static void test_no_iommu_group_any_more(void **state) {
        Switch *s = switch_new();
        char *before = fake_host_snapshot(s->fake), *after;

        fake_host_set_faults(s->fake, "bind * vfio-pci 1 EINVAL\n");
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_FAILED);
        assert_non_null(strstr(s->refusal.text, AUDIO));
        assert_non_null(strstr(s->refusal.text, "IOMMU"));
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(before);
        free(after);
        switch_free(s);
}

static void test_native_driver_is_probed(void **state) {
        Switch *s = switch_new();

        fake_host_set_driver(s->fake, DISPLAY, "vfio-pci");
        fake_host_set_override(s->fake, DISPLAY, "vfio-pci");
        assert_int_equal(switch_to(s, "host", true), REFUSAL_NONE);
        assert_driver(s, DISPLAY, "nvidia");
        switch_free(s);
}

static void test_no_native_driver(void **state) {
        Switch *s = switch_new();

        fake_host_set_driver(s->fake, DISPLAY, "vfio-pci");
        fake_host_set_override(s->fake, DISPLAY, "vfio-pci");
        fake_host_remove(s->fake, "sys/bus/pci/drivers/nvidia");
        assert_int_equal(switch_to(s, "host", true), REFUSAL_NONE);
        assert_driver(s, DISPLAY, "");
        switch_free(s);
}

static void test_undo_log_cannot_be_written(void **state) {
        Switch *s = switch_new();

        fake_host_remove(s->fake, RUN_DIR);
        assert_true(undo_log_open(&s->root, "", "host", NULL, &s->undo) < 0);
        assert_int_equal(s->undo.fd, -1);
        assert_int_equal(undo_log_remove(&s->undo), 0);
        switch_free(s);
}

/* --- undo before do --- */

/* Every function that is not as before has a line that says how it was. */
static void check_undo(Switch *s, const char *before) {
        static const char *const addresses[] = { DISPLAY, AUDIO, NIC };
        RunState *undo = malloc(sizeof(*undo));
        char *after = fake_host_snapshot(s->fake);

        assert_int_equal(undo_read(&s->root, undo), 0);
        assert_string_equal(undo->mode, "passthrough");
        for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
                const char *was = strstr(before, addresses[i]), *is = strstr(after, addresses[i]);
                const HomeFunction *home;
                char text[256];
                PciAddress address;

                if (strncmp(was, is, strcspn(was, "\n") + 1) == 0)
                        continue;
                assert_int_equal(pci_address_parse(addresses[i], &address), 0);
                home = run_state_find_home(undo, address);
                assert_non_null(home);
                (void)snprintf(text, sizeof(text), "%s %s %s\n", addresses[i], home->driver,
                               home->driver_override[0] != '\0' ? home->driver_override : "(null)");
                assert_memory_equal(was, text, strlen(text));
        }
        free(after);
        free(undo);
}

static void test_killed_at_each_write(void **state) {
        static const char *const actions[] = { "kill", "kill-after" };

        for (unsigned nth = 1; nth <= 12; nth++) {
                Switch *s = start(&(Row){ .first = "router" });
                char *before = fake_host_snapshot(s->fake), fault[64];
                int status = 0;
                pid_t child;

                (void)snprintf(fault, sizeof(fault), "* * * %u %s\n", (nth + 1) / 2,
                               actions[nth % 2]);
                fake_host_set_faults(s->fake, fault);
                child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                        s->writer = writer_new(&s->root, false); /* the other is our parent's */
                        (void)switch_to(s, "passthrough", false);
                        _exit(0);
                }
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                check_undo(s, before);
                free(before);
                switch_free(s);
        }
}

/* --- single writes --- */

static void test_sysfs(void **state) {
        PciAddress display = { 0, 1, 0, 0 }, absent = { 0, 9, 0, 0 };
        char driver[CONFIG_DRIVER_SIZE];
        Switch *s = switch_new();

        assert_true(sysfs_has_driver(&s->root, "nvidia"));
        assert_false(sysfs_has_driver(&s->root, "nouveau"));
        assert_int_equal(sysfs_set_override(&s->writer, absent, "vfio-pci"), -ENOENT);
        assert_int_equal(sysfs_unbind(&s->writer, display, "vfio-pci"), -ENODEV);
        assert_int_equal(sysfs_unbind(&s->writer, display, "nouveau"), -ENOENT);
        assert_int_equal(sysfs_bind(&s->writer, display, "nvidia"), 1);
        assert_int_equal(sysfs_bind(&s->writer, display, "vfio-pci"), -ENODEV);
        assert_int_equal(sysfs_unbind(&s->writer, display, "nvidia"), 0);
        assert_int_equal(sysfs_unbind(&s->writer, display, "nvidia"), 0);
        assert_int_equal(sysfs_read_driver(&s->root, display, driver), 0);
        assert_string_equal(driver, "");
        assert_int_equal(sysfs_bind(&s->writer, display, "nouveau"), -ENOENT);
        assert_int_equal(sysfs_set_override(&s->writer, display, "no-such-driver"), 0);
        assert_int_equal(sysfs_probe(&s->writer, display), 0);
        assert_int_equal(sysfs_set_override(&s->writer, display, ""), 0);
        assert_int_equal(sysfs_probe(&s->writer, display), 1);
        assert_int_equal(sysfs_probe(&s->writer, absent), -ENODEV);
        fake_host_set_faults(s->fake, "bind * * 1 lies\n");
        assert_int_equal(sysfs_unbind(&s->writer, display, "nvidia"), 0);
        assert_int_equal(sysfs_bind(&s->writer, display, "nvidia"), 0);
        switch_free(s);
}

static void test_lock(void **state) {
        Switch *s = switch_new();
        int ready[2], lock = -1;
        pid_t child;
        char byte;

        assert_int_equal(pipe(ready), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                if (lock_take(&s->root, false, &lock) == 0)
                        (void)!write(ready[1], "x", 1);
                for (;;)
                        (void)pause();
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(lock_take(&s->root, false, &lock), -EAGAIN);
        assert_int_equal(kill(child, SIGKILL), 0);
        /* The dead hold nothing, and who waits gets it. */
        assert_int_equal(lock_take(&s->root, true, &lock), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(close(lock), 0);
        (void)close(ready[0]);
        (void)close(ready[1]);
        switch_free(s);
}

static void test_lock_makes_its_directory(void **state) {
        Switch *s = switch_new();
        int lock;

        fake_host_remove(s->fake, RUN_DIR);
        assert_int_equal(lock_take(&s->root, false, &lock), 0);
        assert_int_equal(close(lock), 0);
        fake_host_remove(s->fake, "run");
        assert_int_equal(lock_take(&s->root, false, &lock), -ENOENT);
        switch_free(s);
}

int main(void) {
        struct CMUnitTest tests[64] = {
                { "there and back, and nothing to do in between", test_there_and_back, NULL, NULL,
                  NULL },
                { "the writes, one by one", test_writes, NULL, NULL, NULL },
                { "the way back: one failure leaves the other function home",
                  test_way_back_is_best_effort, NULL, NULL, NULL },
                { "the way back: what cannot be taken is left as it was",
                  test_way_back_takes_whole_or_not, NULL, NULL, NULL },
                { "the way back: the host driver is gone", test_host_driver_is_gone, NULL, NULL,
                  NULL },
                { "the way back: vfio-pci was told to take every such card", test_ids_of_vfio_pci,
                  NULL, NULL, NULL },
                { "the way back: pci-stub was told to take every such card", test_ids_of_pci_stub,
                  NULL, NULL, NULL },
                { "the way back: a driver does not come back from forgetting an id",
                  test_forgetting_an_id_stalls, NULL, NULL, NULL },
                { "undone: a function on vfio-pci without an override",
                  test_rollback_to_vfio_without_override, NULL, NULL, NULL },
                { "undone: a function under an override that it does not match",
                  test_rollback_under_foreign_override, NULL, NULL, NULL },
                { "an override that is no name does not spoil the undo log",
                  test_override_that_is_no_name, NULL, NULL, NULL },
                { "vfio-pci cannot be loaded", test_no_module, NULL, NULL, NULL },
                { "a bind that fails for want of an IOMMU group says so",
                  test_no_iommu_group_any_more, NULL, NULL, NULL },
                { "what had no home is probed", test_native_driver_is_probed, NULL, NULL, NULL },
                { "what has no driver on this host stays without", test_no_native_driver, NULL,
                  NULL, NULL },
                { "undone: said, and which functions", test_says_what_was_undone, NULL, NULL,
                  NULL },
                { "a guest starts: nothing is taken from it on the way back",
                  test_guest_on_the_way_back, NULL, NULL, NULL },
                { "a guest starts: nothing is taken from it by undoing", test_guest_while_undoing,
                  NULL, NULL, NULL },
                { "no undo log can be opened", test_undo_log_cannot_be_written, NULL, NULL, NULL },
                { "killed before and after each write: the undo log knows every function's place",
                  test_killed_at_each_write, NULL, NULL, NULL },
                { "single writes and their checks", test_sysfs, NULL, NULL, NULL },
                { "one switch at a time, and the dead hold no lock", test_lock, NULL, NULL, NULL },
                { "the lock makes the directory that it lies in", test_lock_makes_its_directory,
                  NULL, NULL, NULL },
                { "to vfio-pci: two writes fail", test_two_writes_fail, NULL, NULL,
                  (void *)(uintptr_t)&rows[0] },
                { "from one mode to another: two writes are done and report EIO",
                  test_two_writes_fail, NULL, NULL, (void *)(uintptr_t)&rows[7] },
        };
        size_t n = 0;

        while (tests[n].name)
                n++;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[n++] = (struct CMUnitTest){ rows[i].title, test_each_write_fails, NULL, NULL,
                                                  (void *)(uintptr_t)&rows[i] };
        if (real_node_take() < 0)
                return 1;
        return _cmocka_run_group_tests("plan-apply", tests, n, NULL, NULL);
}
