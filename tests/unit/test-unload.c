/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans that unload a driver, on the fake kernel. The modules are the test's own, below the fake
 * root: what is here stands in place of apply/module.c, which would ask libkmod.
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
#include <unistd.h>

#include <cmocka.h>

#include "../fake/fake-host.h"
#include "apply/lock.h"
#include "apply/module.h"
#include "apply/plan-apply.h"
#include "apply/situation.h"
#include "base/log.h"
#include "host/host-scan.h"
#include "host/module-scan.h"
#include "host/state-files.h"

#define GPU "0000:01:00.0"
#define SECOND "0000:02:00.0"
#define NIC "0000:05:00.0"
#define DRIVER_DIR "sys/bus/pci/drivers/nvidia"

#define CONFIG                                                       \
        "[general]\ndefault-mode = host\nfallback-mode = host\n"     \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n" \
        "[device second]\naddress = 0000:02:00.0\n"                  \
        "[device nic]\naddress = 0000:05:00.0\n"                     \
        "[mode passthrough]\nvfio-devices = gpu\n"                   \
        "[mode both]\nvfio-devices = gpu second\n"                   \
        "[mode router]\nvfio-devices = nic\n"

/* Each with the one that it holds. */
static const struct {
        const char *name, *below;
} modules[] = { { "nvidia", NULL },
                { "nvidia_modeset", "nvidia" },
                { "nvidia_drm", "nvidia_modeset" },
                { "nvidia_uvm", "nvidia" } };

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

static FakeHost *machine; /* for the modules, which are asked for by name alone */

/* --- modules --- */

_printf_(1, 2) static const char *print(const char *format, ...) {
        static char path[192];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(path, sizeof(path), format, arguments);
        va_end(arguments);
        return path;
}

static bool is_loaded(const char *name) {
        return fake_host_exists(machine, print("sys/module/%s", name));
}

static void load(size_t i) {
        if (modules[i].below)
                fake_host_write(
                        machine,
                        print("sys/module/%s/holders/%s", modules[i].below, modules[i].name), "");
        fake_host_write(machine, print("sys/module/%s/refcnt", modules[i].name), "0\n");
}

static bool is_free(const char *card) {
        char *override, *driver;
        bool result;

        if (!fake_host_exists(machine, print("sys/bus/pci/devices/%s", card)))
                return false;
        override = fake_host_read(machine, print("sys/bus/pci/devices/%s/driver_override", card));
        driver = fake_host_driver(machine, card);
        result = strstr(override, "vfio") == NULL && driver[0] == '\0';
        free(override);
        free(driver);
        return result;
}

/* As the real one: it does not stay where it finds no card. */
static int load_driver(void) {
        bool is_first_free = is_free(GPU), is_second_free = is_free(SECOND);

        if (!is_first_free && !is_second_free)
                return -ENODEV;
        fake_host_add_driver(machine, "nvidia", "10de:2484");
        load(0);
        assert_int_equal(symlink("../../../../module/nvidia",
                                 print("%s/" DRIVER_DIR "/module", fake_host_path(machine))),
                         0);
        if (is_first_free)
                fake_host_set_driver(machine, GPU, "nvidia");
        if (is_second_free)
                fake_host_set_driver(machine, SECOND, "nvidia");
        return 0;
}

int module_load(const Root *root, const char *name) {
        fake_host_reopen(machine); /* in the writer's process */
        if (fake_host_exists(machine, print("broken-%s", name)))
                return -EIO;
        for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
                if (strcmp(modules[i].name, name) != 0 || is_loaded(name))
                        continue;
                if (!modules[i].below)
                        return load_driver();
                if (module_load(root, modules[i].below) < 0)
                        return -ENODEV;
                load(i);
        }
        return 0;
}

int module_unload(const Root *root, const char *name) {
        char path[192];

        fake_host_reopen(machine);
        if (!is_loaded(name))
                return 0;
        if (fake_host_exists(machine, print("held-%s", name)))
                return -EAGAIN;
        for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
                if (modules[i].below && strcmp(modules[i].below, name) == 0 &&
                    is_loaded(modules[i].name))
                        return -EAGAIN;
                if (modules[i].below && strcmp(modules[i].name, name) == 0)
                        fake_host_remove(machine,
                                         print("sys/module/%s/holders/%s", modules[i].below, name));
        }
        (void)snprintf(path, sizeof(path), "sys/module/%s", name);
        fake_host_remove(machine, path);
        if (strcmp(name, "nvidia") != 0)
                return 0;
        fake_host_set_driver(machine, GPU, "");
        if (fake_host_exists(machine, "sys/bus/pci/devices/" SECOND))
                fake_host_set_driver(machine, SECOND, "");
        fake_host_remove(machine, DRIVER_DIR);
        return 0;
}

int module_find_variants(const Root *root, ModuleVariant *variants, size_t n) {
        return -EOPNOTSUPP;
}

int module_load_for(const Root *root, const char *modalias, ModuleChoice choice) {
        return 0;
}

bool module_exists_for(const Root *root, const char *modalias) {
        return true;
}

bool module_is_blacklisted_for(const Root *root, const char *modalias) {
        return false;
}

/* --- a machine and a switch --- */

static Switch *switch_new_with(bool second) {
        ConfigSource source = { "test", CONFIG, strlen(CONFIG) };
        Switch *s = calloc(1, sizeof(*s));
        ConfigErrors errors;
        int lock;

        s->undo = UNDO_LOG_NULL;
        s->fake = machine = fake_host_new();
        fake_host_add_gpu(s->fake, GPU, .group = 12, .boot_vga = true);
        if (second)
                fake_host_add_gpu(s->fake, SECOND, .group = 13);
        fake_host_add_nic(s->fake, NIC, 15);
        assert_int_equal(root_open(fake_host_path(s->fake), &s->root), 0);
        assert_int_equal(module_load(&s->root, "nvidia_uvm"), 0);
        assert_int_equal(module_load(&s->root, "nvidia_drm"), 0);
        s->writer = writer_new(&s->root, false);
        assert_int_equal(config_parse(&source, 1, &s->config, &errors), 0);
        assert_int_equal(lock_take(&s->root, false, &lock), 0);
        assert_int_equal(close(lock), 0);
        log_set_max_level(LOG_EMERG);
        return s;
}

static Switch *switch_new(void) {
        return switch_new_with(false);
}

static void switch_free(Switch *s) {
        writer_close(&s->writer);
        undo_log_close(&s->undo);
        root_close(&s->root);
        fake_host_freep(&s->fake);
        free(s);
}

/* Early, so that a module which is held is not waited for long. */
static RefusalKind switch_by(Switch *s, const char *mode, bool early, bool best_effort,
                             const PlanGate *gate) {
        PlanInput input = {
                .config = &s->config, .host = &s->host, .state = &s->state, .mode = mode
        };

        undo_log_close(&s->undo);
        s->refusal = (Refusal){ 0 };
        assert_int_equal(host_scan(&s->root, &s->config, &s->state, &s->host), 0);
        assert_int_equal(plan_make(&input, &s->plan, &s->refusal), REFUSAL_NONE);
        s->plan.early = early;
        assert_int_equal(undo_log_open(&s->root, "", mode, NULL, &s->undo), 0);
        return plan_apply(&s->writer, &s->plan, &s->host, best_effort, gate, &s->undo, &s->refusal);
}

static RefusalKind switch_to(Switch *s, const char *mode, bool early) {
        return switch_by(s, mode, early, false, NULL);
}

static void keep_record(Switch *s) {
        for (size_t i = 0; i < s->undo.state.n_homes; i++)
                assert_int_equal(run_state_add_home(&s->state, &s->undo.state.homes[i]), 0);
        for (size_t i = 0; i < s->undo.state.n_modules; i++)
                assert_int_equal(run_state_add_module(&s->state, s->undo.state.modules[i]), 0);
}

static void assert_driver_of(Switch *s, const char *card, const char *expected) {
        char *driver = fake_host_driver(s->fake, card);

        assert_string_equal(driver, expected);
        free(driver);
}

static void assert_driver(Switch *s, const char *expected) {
        assert_driver_of(s, GPU, expected);
}

static void assert_in_log(Switch *s, const char *line, bool expected) {
        char *log = fake_host_read(s->fake, UNDO_PATH);

        assert_int_equal(strstr(log, line) != NULL, expected);
        free(log);
}

static void assert_all_loaded(bool expected) {
        for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
                assert_int_equal(is_loaded(modules[i].name), expected);
}

/* --- tests --- */

static void test_there_and_back(void **state) {
        Switch *s = switch_new();
        char *before = fake_host_snapshot(s->fake), *after;

        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        assert_driver(s, "vfio-pci");
        assert_all_loaded(false);
        assert_in_log(s, "module=nvidia_drm\n", true);
        assert_in_log(s, "write=unload 0000:01:00.0 nvidia\n", true);
        keep_record(s);
        assert_int_equal(switch_to(s, "host", false), REFUSAL_NONE);
        assert_driver(s, "nvidia");
        assert_all_loaded(true);
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(before);
        free(after);
        switch_free(s);
}

/* Whichever of them is held, all are there again; and the next try works. */
static void test_held(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
                Switch *s = switch_new();
                char *before = fake_host_snapshot(s->fake), *after;
                char path[64];

                (void)snprintf(path, sizeof(path), "held-%s", modules[i].name);
                fake_host_write(s->fake, path, "");
                fake_host_write(s->fake, print("sys/module/%s/refcnt", modules[i].name), "7\n");
                assert_int_equal(switch_to(s, "passthrough", true), REFUSAL_BUSY);
                assert_non_null(strstr(s->refusal.text, modules[i].name));
                assert_non_null(strstr(s->refusal.text, "reference count 7"));
                assert_driver(s, "nvidia");
                assert_all_loaded(true);
                after = fake_host_snapshot(s->fake);
                assert_string_equal(after, before);
                fake_host_remove(s->fake, path);
                assert_int_equal(switch_to(s, "passthrough", true), REFUSAL_NONE);
                assert_driver(s, "vfio-pci");
                free(before);
                free(after);
                switch_free(s);
        }
}

/* A later step fails: the driver is loaded for the card again. */
static void test_bind_fails(void **state) {
        Switch *s = switch_new();
        char *before = fake_host_snapshot(s->fake), *after;

        fake_host_set_faults(s->fake, "bind 0000:01:00.0 vfio-pci * EBUSY\n");
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_FAILED);
        assert_driver(s, "nvidia");
        assert_all_loaded(true);
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(before);
        free(after);
        switch_free(s);
}

/* The card has its driver again, and not all that it is used by. */
static void test_module_is_lost(void **state) {
        Switch *s = switch_new();

        fake_host_write(s->fake, "broken-nvidia_uvm", "");
        fake_host_set_faults(s->fake, "bind 0000:01:00.0 vfio-pci * EBUSY\n");
        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_HALF_WAY);
        assert_driver(s, "nvidia");
        assert_true(is_loaded("nvidia_drm"));
        assert_false(is_loaded("nvidia_uvm"));
        switch_free(s);
}

/* From one mode to another, undone when the card had its driver again: it is unloaded, not unbound.
 */
static void test_undone_from_the_driver(void **state) {
        Switch *s = switch_new();
        char *log;

        assert_int_equal(switch_to(s, "passthrough", false), REFUSAL_NONE);
        keep_record(s);
        fake_host_set_faults(s->fake, "bind 0000:05:00.0 vfio-pci * EBUSY\n");
        assert_int_equal(switch_to(s, "router", false), REFUSAL_FAILED);
        assert_driver(s, "vfio-pci");
        assert_all_loaded(false);
        log = fake_host_read(s->fake, ".fake-log");
        assert_null(strstr(log, "unbind 0000:01:00.0 nvidia"));
        free(log);
        switch_free(s);
}

/* The same with two cards, which only go together; and a kill from then on would lose no module. */
static void test_both_undone_from_the_driver(void **state) {
        Switch *s = switch_new_with(true);
        char *log;

        assert_int_equal(switch_to(s, "both", false), REFUSAL_NONE);
        keep_record(s);
        fake_host_set_faults(s->fake, "bind 0000:05:00.0 vfio-pci * EBUSY\n");
        assert_int_equal(switch_to(s, "router", false), REFUSAL_FAILED);
        assert_driver(s, "vfio-pci");
        assert_driver_of(s, SECOND, "vfio-pci");
        assert_all_loaded(false);
        assert_in_log(s, "module=nvidia_drm\n", true);
        log = fake_host_read(s->fake, ".fake-log");
        assert_null(strstr(log, "unbind 0000:01:00.0 nvidia"));
        assert_null(strstr(log, "unbind 0000:02:00.0 nvidia"));
        free(log);
        switch_free(s);
}

/* Held when it is to be undone: both cards stay with the driver, and all modules. */
static void test_both_held_when_undone(void **state) {
        Switch *s = switch_new_with(true);

        assert_int_equal(switch_to(s, "both", true), REFUSAL_NONE);
        keep_record(s);
        fake_host_set_faults(s->fake, "bind 0000:05:00.0 vfio-pci * EBUSY\n");
        fake_host_write(s->fake, "held-nvidia_modeset", "");
        assert_int_equal(switch_to(s, "router", true), REFUSAL_HALF_WAY);
        assert_driver(s, "nvidia");
        assert_driver_of(s, SECOND, "nvidia");
        assert_all_loaded(true);
        switch_free(s);
}

/* --- what has changed since the plan was made --- */

static RefusalKind load_drm(void *userdata, UndoLog *undo, Refusal *refusal) {
        Switch *s = userdata;

        assert_int_equal(module_load(&s->root, "nvidia_drm"), 0);
        return REFUSAL_NONE;
}

static RefusalKind unload_drm(void *userdata, UndoLog *undo, Refusal *refusal) {
        Switch *s = userdata;

        assert_int_equal(module_unload(&s->root, "nvidia_drm"), 0);
        return REFUSAL_NONE;
}

/* Above a module that the plan knows. It is loaded again with the others. */
static void test_module_joins(void **state) {
        Switch *s = switch_new();
        const PlanGate gate = { load_drm, s };

        assert_int_equal(module_unload(&s->root, "nvidia_drm"), 0);
        assert_int_equal(switch_by(s, "passthrough", true, false, &gate), REFUSAL_NONE);
        assert_driver(s, "vfio-pci");
        assert_all_loaded(false);
        assert_in_log(s, "module=nvidia_drm\nwrite=unload 0000:01:00.0 nvidia_drm\n", true);
        keep_record(s);
        assert_int_equal(switch_to(s, "host", false), REFUSAL_NONE);
        assert_all_loaded(true);
        switch_free(s);
}

/* It is not loaded again, since it was not unloaded for the switch. */
static void test_module_vanishes(void **state) {
        Switch *s = switch_new();
        const PlanGate gate = { unload_drm, s };

        assert_int_equal(switch_by(s, "passthrough", true, false, &gate), REFUSAL_NONE);
        assert_driver(s, "vfio-pci");
        assert_in_log(s, "nvidia_drm", false);
        keep_record(s);
        assert_int_equal(switch_to(s, "host", false), REFUSAL_NONE);
        assert_driver(s, "nvidia");
        assert_false(is_loaded("nvidia_drm"));
        assert_true(is_loaded("nvidia_uvm"));
        switch_free(s);
}

/* On the way to a fallback mode that takes cards: one that is held keeps both, and nobody tries the
 * second without the first. */
static void test_both_stay(void **state) {
        Switch *s = switch_new_with(true);

        fake_host_write(s->fake, "held-nvidia_drm", "");
        assert_int_equal(switch_by(s, "both", true, true, NULL), REFUSAL_HALF_WAY);
        assert_driver(s, "nvidia");
        assert_driver_of(s, SECOND, "nvidia");
        assert_all_loaded(true);
        assert_in_log(s, "write=unload 0000:01:00.0 nvidia_drm\n", true);
        assert_in_log(s, "write=unload 0000:02:00.0", false);
        assert_in_log(s, "write=bind", false);
        switch_free(s);
}

/* --- a switch that was cut short --- */

/* An override that was there before does not say where a function was: its driver does. */
static void test_home_by_its_driver(void **state) {
        static const struct {
                const char *address, *driver;
                bool is_kept;
        } rows[] = { { GPU, "nvidia", true }, { SECOND, "vfio-pci", false }, { NIC, "", false } };
        Switch *s = switch_new_with(true);
        Situation *now = calloc(1, sizeof(*now));

        assert_int_equal(undo_log_open(&s->root, "host", "both", NULL, &s->undo), 0);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                HomeFunction home = { .driver_override = "vfio-pci" };

                assert_int_equal(pci_address_parse(rows[i].address, &home.address), 0);
                (void)strcpy(home.driver, rows[i].driver);
                assert_int_equal(undo_log_add(&s->undo, &home), 0);
        }
        now->root = &s->root;
        assert_int_equal(situation_read_state(now), 0);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const HomeFunction *home =
                        run_state_find_home(&now->state, s->undo.state.homes[i].address);

                assert_int_equal(home != NULL, rows[i].is_kept);
        }
        free(now);
        switch_free(s);
}

static void test_too_many(void **state) {
        Switch *s = switch_new();
        ModuleStack stack;

        module_scan(&s->root, "nvidia", &stack);
        assert_int_equal(stack.n_modules, ARRAY_SIZE(modules));
        assert_false(stack.is_tangled);
        for (unsigned i = 0; i < MODULE_STACK_MAX; i++)
                fake_host_write(s->fake, print("sys/module/nvidia_uvm/holders/more%u", i), "");
        module_scan(&s->root, "nvidia", &stack);
        assert_int_equal(stack.n_modules, 0);
        assert_true(stack.is_tangled);
        switch_free(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_held),
                cmocka_unit_test(test_bind_fails),
                cmocka_unit_test(test_module_is_lost),
                cmocka_unit_test(test_undone_from_the_driver),
                cmocka_unit_test(test_both_undone_from_the_driver),
                cmocka_unit_test(test_both_held_when_undone),
                cmocka_unit_test(test_module_joins),
                cmocka_unit_test(test_module_vanishes),
                cmocka_unit_test(test_both_stay),
                cmocka_unit_test(test_home_by_its_driver),
                cmocka_unit_test(test_too_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
