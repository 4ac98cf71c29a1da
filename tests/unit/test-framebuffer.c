/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's framebuffer on a display that is no VGA: found as either kernel shows it, released
 * before the display leaves, and back where nothing else has the display.
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
#include "apply/plan-apply.h"
#include "apply/situation.h"
#include "apply/state-write.h"
#include "base/log.h"
#include "host/firmware-framebuffer.h"
#include "host/state-files.h"

#define GPU "0000:01:00.0"
#define OTHER "0000:02:00.0"
#define NAME "efi-framebuffer.0"
#define ADDRESS ((PciAddress){ 0, 1, 0, 0 })
#define DRIVER_LINK "sys/bus/platform/devices/" NAME "/driver"

#define CONFIG                                                       \
        "[general]\ndefault-mode = host\nfallback-mode = host\n"     \
        "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n" \
        "[mode passthrough]\nvfio-devices = gpu\n"

/* Without CAP_SYS_ADMIN the addresses read zero. */
#define BRIDGE "00000000-00000000 : PCI Bus 0000:00\n"
#define BAR(address) "  00000000-00000000 : PCI Bus 0000:01\n    00000000-00000000 : " address "\n"
#define CLAIM(name) "      00000000-00000000 : " name "\n"

/* --- where it is --- */

typedef struct Row {
        const char *title;
        const char *below; /* NULL: the platform device lies below no function */
        const char *iomem;
        const char *name; /* NULL: NAME */
        bool is_unbound;
        bool is_found, claims;
} Row;

static const Row rows[] = {
        { .title = "below the function", .below = GPU, .is_found = true },
        { .title = "below another function", .below = OTHER },
        { .title = "below another function, and not by the memory",
          .below = OTHER,
          .iomem = BRIDGE BAR(GPU) CLAIM("BOOTFB"),
          .claims = true },
        { .title = "by the memory of the function",
          .iomem = BRIDGE BAR(OTHER) BAR(GPU) CLAIM("efifb"),
          .is_found = true,
          .claims = true },
        { .title = "in the memory of another function",
          .iomem = BRIDGE BAR(GPU) BAR(OTHER) CLAIM("efifb") },
        { .title = "the driver's own claim", .iomem = BRIDGE BAR(GPU) CLAIM("bochs-drm") },
        { .title = "a claim that is no function's",
          .iomem = BRIDGE BAR(GPU) "  00000000-00000000 : efifb\n" },
        { .title = "another driver than efifb, deeper",
          .iomem = BRIDGE BAR(GPU) CLAIM("BOOTFB") "        00000000-00000000 : simpledrm\n",
          .name = "simple-framebuffer.0",
          .is_found = true,
          .claims = true },
        { .title = "no driver has it", .below = GPU, .is_unbound = true },
        { .title = "no /proc/iomem, and below nothing" },
};

static void test_find(void **state) {
        _cleanup_(fake_host_freep) FakeHost *fake = fake_host_new();
        _cleanup_(root_close) Root root = ROOT_NULL;
        const Row *row = *state;
        const char *name = row->name ? row->name : NAME;
        char found[CONFIG_DRIVER_SIZE];

        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(firmware_framebuffer_find(&root, ADDRESS, found), 0);
        fake_host_add_gpu(fake, GPU, .group = 12, .not_vga = true);
        fake_host_add_gpu(fake, OTHER, .group = 13, .not_vga = true);
        fake_host_add_framebuffer(fake, name, row->below);
        if (row->is_unbound)
                fake_host_remove(fake, DRIVER_LINK);
        if (row->iomem)
                fake_host_write(fake, "proc/iomem", row->iomem);
        assert_int_equal(firmware_framebuffer_find(&root, ADDRESS, found), row->is_found);
        if (row->is_found)
                assert_string_equal(found, name);
        assert_int_equal(firmware_framebuffer_claims(&root, ADDRESS), row->claims);
}

/* --- switches --- */

typedef struct Switch {
        FakeHost *fake;
        Root root;
        Situation now;
        Plan plan;
        UndoLog undo;
        Writer writer;
        Refusal refusal;
} Switch;

static Switch *switch_new(bool is_vga, const char *driver) {
        ConfigSource source = { "test", CONFIG, strlen(CONFIG) };
        Switch *s = calloc(1, sizeof(*s));
        ConfigErrors errors;

        s->undo = UNDO_LOG_NULL;
        s->fake = fake_host_new();
        fake_host_add_gpu(s->fake, GPU, .group = 12, .not_vga = !is_vga, .driver = driver);
        fake_host_add_framebuffer(s->fake, NAME, GPU);
        assert_int_equal(root_open(fake_host_path(s->fake), &s->root), 0);
        assert_int_equal(run_dir_make(&s->root), 0);
        s->writer = writer_new(&s->root, false);
        s->now.root = &s->root;
        assert_int_equal(config_parse(&source, 1, &s->now.config, &errors), 0);
        log_set_max_level(LOG_EMERG);
        fake_host_set_faults(s->fake, NULL);
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

/* As a later run finds it: through the undo log's text. */
static void keep_home(Switch *s) {
        RunState *undo = calloc(1, sizeof(*undo));

        assert_int_equal(undo_read(&s->root, undo), 0);
        assert_int_equal(undo->n_homes, 1);
        assert_int_equal(run_state_add_home(&s->now.state, &undo->homes[0]), 0);
        free(undo);
}

static bool firmware_has_it(const Switch *s) {
        return fake_host_exists(s->fake, DRIVER_LINK);
}

static void assert_log(Switch *s, const char *expected) {
        char *log = fake_host_read(s->fake, ".fake-log");

        assert_string_equal(log, expected);
        free(log);
}

static void test_released_and_returned(void **state) {
        Switch *s = switch_new(false, NULL);

        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_log(s, "override " GPU " vfio-pci ok\n"
                      "platform-unbind " NAME " efi-framebuffer ok\n"
                      "bind " GPU " vfio-pci ok\n");
        assert_int_equal(s->plan.n_notes, 1);
        assert_non_null(strstr(s->plan.notes[0], "goes dark"));
        keep_home(s);
        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_int_equal(s->plan.n_steps + s->plan.n_notes, 0);
        /* No driver is there for it. */
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_true(firmware_has_it(s));
        switch_free(s);
}

static void test_host_driver_has_come(void **state) {
        Switch *s = switch_new(false, NULL);

        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        keep_home(s);
        fake_host_add_driver(s->fake, "bochs-drm", "10de:2484");
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_false(firmware_has_it(s));
        switch_free(s);
}

/* Better the firmware's picture than none. */
static void test_host_driver_fails(void **state) {
        Switch *s = switch_new(false, NULL);

        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        keep_home(s);
        (void)strcpy(s->now.config.devices[0].host_driver, "bochs-drm");
        fake_host_add_driver(s->fake, "bochs-drm", "10de:2484");
        fake_host_set_faults(s->fake, "bind * bochs-drm * EIO\n");
        assert_int_equal(switch_to(s, "host"), REFUSAL_HALF_WAY);
        assert_true(firmware_has_it(s));
        switch_free(s);
}

static void test_undone(void **state) {
        static const char *const faults[] = { "bind * vfio-pci * EINVAL\n",
                                              "platform-unbind * * * EIO\n",
                                              "platform-unbind * * * fails:EIO\n" };

        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                Switch *s = switch_new(false, NULL);
                char *before = fake_host_snapshot(s->fake), *after;

                fake_host_set_faults(s->fake, faults[i]);
                assert_int_equal(switch_to(s, "passthrough"), REFUSAL_FAILED);
                after = fake_host_snapshot(s->fake);
                assert_string_equal(after, before);
                assert_true(firmware_has_it(s));
                free(after);
                free(before);
                switch_free(s);
        }
}

/* The kernel does it for a VGA. */
static void test_vga(void **state) {
        Switch *s = switch_new(true, NULL);

        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_true(firmware_has_it(s));
        switch_free(s);
}

/* What vfio-pci still has may be a guest's, and no one else's to draw to. */
static void test_vfio_keeps_it(void **state) {
        static const char config[] = "[general]\ndefault-mode = host\nfallback-mode = host\n"
                                     "[device gpu]\naddress = 0000:01:00.0\nconsent = boot-vga\n"
                                     "[device other]\naddress = 0000:02:00.0\nconsent = boot-vga\n"
                                     "[mode passthrough]\nvfio-devices = gpu other\n";
        ConfigSource source = { "test", config, strlen(config) };
        Switch *s = switch_new(false, NULL);
        ConfigErrors errors;

        fake_host_add_gpu(s->fake, OTHER, .group = 13, .not_vga = true);
        assert_int_equal(config_parse(&source, 1, &s->now.config, &errors), 0);
        fake_host_set_faults(s->fake, "bind " OTHER " vfio-pci * EIO\n"
                                      "unbind " GPU " vfio-pci * EIO\n");
        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_HALF_WAY);
        assert_false(firmware_has_it(s));
        switch_free(s);
}

/* A driver that draws nothing leaves the screen to the firmware's, before and after. */
static void test_beside_a_driver(void **state) {
        Switch *s = switch_new(false, "compute");

        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        assert_false(firmware_has_it(s));
        assert_log(s, "override " GPU " vfio-pci ok\nunbind " GPU " compute ok\n"
                      "platform-unbind " NAME " efi-framebuffer ok\n"
                      "bind " GPU " vfio-pci ok\n");
        keep_home(s);
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_true(firmware_has_it(s));
        switch_free(s);
}

/* The driver draws now, and has taken the platform device away: there is nothing to warn of. */
static void test_taken_away(void **state) {
        Switch *s = switch_new(false, "compute");
        char *log;

        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        keep_home(s);
        fake_host_remove(s->fake, "sys/bus/platform/devices/" NAME);
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        log = fake_host_read(s->fake, ".fake-log");
        assert_null(strstr(log, "platform-bind"));
        free(log);
        switch_free(s);
}

/* Another driver than the one that it stood beside may draw. */
static void test_beside_another_driver(void **state) {
        Switch *s = switch_new(false, "compute");

        assert_int_equal(switch_to(s, "passthrough"), REFUSAL_NONE);
        keep_home(s);
        (void)strcpy(s->now.config.devices[0].host_driver, "bochs-drm");
        fake_host_add_driver(s->fake, "bochs-drm", "10de:2484");
        assert_int_equal(switch_to(s, "host"), REFUSAL_NONE);
        assert_false(firmware_has_it(s));
        switch_free(s);
}

int main(void) {
        struct CMUnitTest tests[9 + ARRAY_SIZE(rows)] = {
                cmocka_unit_test(test_released_and_returned),
                cmocka_unit_test(test_host_driver_has_come),
                cmocka_unit_test(test_host_driver_fails),
                cmocka_unit_test(test_undone),
                cmocka_unit_test(test_vga),
                cmocka_unit_test(test_vfio_keeps_it),
                cmocka_unit_test(test_beside_a_driver),
                cmocka_unit_test(test_taken_away),
                cmocka_unit_test(test_beside_another_driver),
        };
        size_t n = 9;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[n++] = (struct CMUnitTest){ rows[i].title, test_find, NULL, NULL,
                                                  (void *)(uintptr_t)&rows[i] };
        return _cmocka_run_group_tests("framebuffer", tests, n, NULL, NULL);
}
