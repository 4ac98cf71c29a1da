/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which modules a switch loads, on the fake kernel: variants of vfio-pci, and drivers that a
 * blacklist holds back. What is here stands in place of apply/module.c, which would ask libkmod.
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

#include <cmocka.h>

#include "../fake/fake-host.h"
#include "apply/lock.h"
#include "apply/module.h"
#include "apply/plan-apply.h"
#include "apply/situation.h"
#include "apply/state-write.h"
#include "base/log.h"
#include "host/state-files.h"

#define GPU "0000:01:00.0"
#define ID "10de:2484"
#define VARIANT_MODULE "some_vfio_pci"
#define VARIANT "some-vfio-pci"
#define MARK VFIO_MARKS_DIR "/" GPU

#define CONFIG                                                       \
        "[general]\ndefault-mode = host\nfallback-mode = host\n"     \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n" \
        "[mode passthrough]\nvfio-devices = gpu\n"

/** A module for the card; they are named as their drivers are. */
typedef struct Native {
        const char *name;
        bool is_blacklisted, is_broken;
        bool is_idle; /* it is loaded, and takes no card */
} Native;

static FakeHost *machine; /* for the modules, which are asked for by name alone */
static const Native *natives;
static const char *variant; /* the module that module_find_variants() finds; "": none */

/* --- modules --- */

static void load_native(const Native *native) {
        char *driver;

        if (native->is_broken || native->is_idle)
                return;
        fake_host_add_driver(machine, native->name, ID);
        driver = fake_host_driver(machine, GPU);
        if (driver[0] == '\0')
                fake_host_set_driver(machine, GPU, native->name);
        free(driver);
}

static bool is_loaded(const char *driver) {
        char path[96];

        (void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/bind", driver);
        return fake_host_exists(machine, path);
}

int module_load(const Root *root, const char *name) {
        fake_host_reopen(machine); /* in the writer's process */
        if (strcmp(name, VARIANT_MODULE) != 0)
                return -ENOENT;
        fake_host_add_vfio_driver(machine, VARIANT);
        fake_host_write(machine, "sys/module/" VARIANT_MODULE "/drivers/pci:" VARIANT, "");
        return 0;
}

int module_load_for(const Root *root, const char *modalias, ModuleChoice choice) {
        int n = 0, r = 0;

        fake_host_reopen(machine);
        for (const Native *native = natives; native->name; native++)
                if (choice == MODULE_ANY || !native->is_blacklisted) {
                        load_native(native);
                        if (native->is_broken)
                                r = -ENODEV;
                        n++;
                }
        return r < 0 ? r : n;
}

int module_find_variants(const Root *root, ModuleVariant *variants, size_t n) {
        for (size_t i = 0; i < n; i++)
                (void)snprintf(variants[i].name, sizeof(variants[i].name), "%s",
                               strstr(variants[i].modalias, "d00002484") ? variant : "");
        return 0;
}

int module_unload(const Root *root, const char *name) {
        return 0;
}

bool module_exists_for(const Root *root, const char *modalias) {
        return false;
}

bool module_is_blacklisted_for(const Root *root, const char *modalias) {
        return false;
}

/* --- a machine and a switch --- */

typedef struct Switch {
        FakeHost *fake;
        Root root;
        Situation now;
        Plan plan;
        UndoLog undo;
        Writer writer;
        Refusal refusal;
} Switch;

static Switch *switch_new(const char *driver) {
        ConfigSource source = { "test", CONFIG, strlen(CONFIG) };
        Switch *s = calloc(1, sizeof(*s));
        ConfigErrors errors;

        s->undo = UNDO_LOG_NULL;
        s->fake = machine = fake_host_new();
        fake_host_add_gpu(s->fake, GPU, .group = 12, .boot_vga = true, .driver = driver);
        assert_int_equal(root_open(fake_host_path(s->fake), &s->root), 0);
        assert_int_equal(run_dir_make(&s->root), 0);
        s->writer = writer_new(&s->root, false);
        s->now.root = &s->root;
        assert_int_equal(config_parse(&source, 1, &s->now.config, &errors), 0);
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

static RefusalKind switch_to(Switch *s, const char *mode) {
        undo_log_close(&s->undo);
        s->refusal = (Refusal){ 0 };
        s->now.mode = mode;
        assert_int_equal(situation_scan(&s->now, &s->refusal), REFUSAL_NONE);
        assert_int_equal(situation_plan(&s->now, &s->plan, &s->refusal), REFUSAL_NONE);
        assert_int_equal(undo_log_open(&s->root, "", mode, NULL, &s->undo), 0);
        return plan_apply(&s->writer, &s->plan, &s->now.host, strcmp(mode, "host") == 0, NULL,
                          &s->undo, &s->refusal);
}

static void assert_driver(Switch *s, const char *expected) {
        char *driver = fake_host_driver(s->fake, GPU);

        assert_string_equal(driver, expected);
        free(driver);
}

/* --- blacklists --- */

typedef struct Row {
        const char *title;
        Native natives[3];
        const char *driver; /* what it is on in the end */
        const char *spared; /* what is not loaded; NULL: nothing */
} Row;

static const Row rows[] = {
        { "a blacklisted driver does not come beside another",
          { { .name = "nouveau", .is_blacklisted = true }, { .name = "nvidia" } },
          "nvidia",
          "nouveau" },
        { "a blacklisted driver is better than none",
          { { .name = "nouveau", .is_blacklisted = true } },
          "nouveau",
          NULL },
        { "a blacklisted driver is better than one that cannot be loaded",
          { { .name = "nouveau", .is_blacklisted = true },
            { .name = "nvidia", .is_broken = true } },
          "nouveau",
          "nvidia" },
};

/* As after a boot into the mode: where the card was before is not known. */
static void test_blacklist(void **state) {
        const Row *row = *state;
        Switch *s = switch_new("vfio-pci");

        natives = row->natives;
        variant = "";
        fake_host_set_override(s->fake, GPU, "vfio-pci");
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_driver(s, row->driver);
        if (row->spared)
                assert_false(is_loaded(row->spared));
        switch_free(s);
}

/* A host-driver that is no module's name is looked for in the same order. */
static void test_blacklist_and_host_driver(void **state) {
        const Row *row = *state;
        Switch *s = switch_new("vfio-pci");

        natives = row->natives;
        variant = "";
        (void)snprintf(s->now.config.devices[0].host_driver, CONFIG_DRIVER_SIZE, "%s", row->driver);
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_driver(s, row->driver);
        if (row->spared)
                assert_false(is_loaded(row->spared));
        switch_free(s);
}

/* --- without a driver in the end --- */

static Switch *switch_home(const Native *modules) {
        Switch *s = switch_new("vfio-pci");

        natives = modules;
        variant = "";
        fake_host_set_override(s->fake, GPU, "vfio-pci");
        fake_host_set_faults(s->fake, NULL);
        return s;
}

static size_t count_probes(const Switch *s) {
        char *log = fake_host_read(s->fake, ".fake-log");
        size_t n = 0;

        for (const char *probe = log; (probe = strstr(probe, "probe " GPU)); probe++)
                n++;
        free(log);
        return n;
}

/* There was no more to load, and the kernel has given its answer. */
static void test_driver_refuses(void **state) {
        static const Native idle[] = { { .name = "idle", .is_idle = true }, { 0 } };
        Switch *s = switch_home(idle);

        assert_int_equal(switch_to(s, "host"), REFUSAL_HALF_WAY);
        assert_driver(s, "");
        assert_int_equal(count_probes(s), 1);
        switch_free(s);
}

/* Or its "install" in modprobe.d does, by which people have none. */
static void test_module_fails(void **state) {
        static const Native broken[] = { { .name = "nvidia", .is_broken = true }, { 0 } };
        Switch *s = switch_home(broken);

        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_driver(s, "");
        switch_free(s);
}

static void test_no_module(void **state) {
        static const Native none[] = { { 0 } };
        Switch *s = switch_home(none);

        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_driver(s, "");
        switch_free(s);
}

/* --- variants --- */

static void assert_mark(Switch *s, const char *expected) {
        char *mark;

        assert_int_equal(marks_write(&s->root, s->plan.vfio, s->plan.n_vfio), 0);
        mark = fake_host_read(s->fake, MARK);
        assert_string_equal(mark, expected);
        free(mark);
}

/* The driver's name is known when its module is loaded, and not before. */
static void test_variant(void **state) {
        Switch *s = switch_new("nvidia");
        char *before = fake_host_snapshot(s->fake), *after, *log;

        variant = VARIANT_MODULE;
        fake_host_set_faults(s->fake, NULL);
        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_string_equal(s->plan.steps[0].driver, VARIANT_MODULE);
        assert_driver(s, VARIANT);
        log = fake_host_read(s->fake, ".fake-log");
        assert_string_equal(log, "override " GPU " " VARIANT " ok\n"
                                 "unbind " GPU " nvidia ok\nbind " GPU " " VARIANT " ok\n");
        free(log);
        assert_mark(s, "VFIO_MODE_DRIVER=" VARIANT "\n");
        assert_int_equal(run_state_add_home(&s->now.state, &s->undo.state.homes[0]), 0);
        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_int_equal(s->plan.n_steps, 0);
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(after);
        free(before);
        switch_free(s);
}

static void test_variant_is_loaded(void **state) {
        Switch *s = switch_new("nvidia");

        variant = VARIANT_MODULE;
        assert_int_equal(module_load(&s->root, VARIANT_MODULE), 0);
        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_int_equal(s->plan.steps[0].kind, STEP_SET_OVERRIDE);
        assert_string_equal(s->plan.steps[0].driver, VARIANT);
        assert_driver(s, VARIANT);
        switch_free(s);
}

static void test_no_variant(void **state) {
        Switch *s = switch_new("nvidia");

        variant = "";
        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_driver(s, "vfio-pci");
        assert_mark(s, "");
        switch_free(s);
}

/* It is the better driver by the kernel's own word, so vfio-pci is no way out of its failures. */
static void test_variant_refuses(void **state) {
        Switch *s = switch_new("nvidia");
        char *before = fake_host_snapshot(s->fake), *after;

        variant = VARIANT_MODULE;
        fake_host_set_faults(s->fake, "bind * " VARIANT " 1 EINVAL\n");
        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_FAILED);
        assert_non_null(strstr(s->refusal.text, VARIANT));
        assert_non_null(strstr(s->refusal.text, "IOMMU"));
        after = fake_host_snapshot(s->fake);
        assert_string_equal(after, before);
        free(after);
        free(before);
        switch_free(s);
}

int main(void) {
        struct CMUnitTest tests[7 + 2 * ARRAY_SIZE(rows)] = {
                cmocka_unit_test(test_variant),        cmocka_unit_test(test_variant_is_loaded),
                cmocka_unit_test(test_no_variant),     cmocka_unit_test(test_variant_refuses),
                cmocka_unit_test(test_driver_refuses), cmocka_unit_test(test_module_fails),
                cmocka_unit_test(test_no_module),
        };
        size_t n = 7;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                tests[n++] = (struct CMUnitTest){ rows[i].title, test_blacklist, NULL, NULL,
                                                  (void *)(uintptr_t)&rows[i] };
                tests[n++] = (struct CMUnitTest){ rows[i].title, test_blacklist_and_host_driver,
                                                  NULL, NULL, (void *)(uintptr_t)&rows[i] };
        }
        return _cmocka_run_group_tests("modules", tests, n, NULL, NULL);
}
