/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was armed is older than the configuration, the boot menu or GRUB's scripts. */
#undef NDEBUG
#include <stdlib.h>
#include <string.h>

#include "boot/efi-one-shot.h"
#include "next-boot-words.h"

static size_t drift(BootMachine *m, char lines[4][NEXT_BOOT_DRIFT_SIZE]) {
        next_boot_read(&m->root, &m->now);
        return next_boot_drift(&m->root, &m->now, &m->config, lines, 4);
}

#define MENU(words) "linux /vmlinuz root=x ro quiet vfio_mode=" words " vfio_mode.boot=menu.0.0\n"
#define MENU_OF_SAMPLE                                                          \
        "### vfio-mode environment ###\n" MENU("fallback")                      \
                MENU("passthrough nosmt=force panic=10") MENU("plain panic=10") \
                        MENU("sure panic=10")

static void test_drift_of_the_block(void **state) {
        BootMachine *m = *state;
        char lines[4][NEXT_BOOT_DRIFT_SIZE];

        boot_machine_prove(m);
        assert_int_equal(drift(m, lines), 0);
        ASSERT_DONE(for_good(m, "passthrough"));
        assert_int_equal(drift(m, lines), 0);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        assert_int_equal(drift(m, lines), 1);
        assert_said(lines[0], "The cmdline of 'passthrough' was changed after it was armed: run "
                              "\"vfio-modectl set-default passthrough\".");
        boot_machine_config(m, "[device gpu]\naddress = 0000:01:00.0\n"
                               "[mode gaming]\nvfio-devices = gpu\n");
        assert_int_equal(drift(m, lines), 1);
        assert_said(lines[0], "run \"vfio-modectl set-default host\"");
        assert_string_equal(outlook(m).mode, "host");
        fake_host_write(m->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        assert_int_equal(drift(m, lines), 2);
        assert_said(lines[0], "run \"update-grub\", and arm it anew.");
        next_boot_read(&m->root, &m->now);
        assert_int_equal(next_boot_drift(&m->root, &m->now, &m->config, lines, 1), 1);
        assert_int_equal(next_boot_drift(&m->root, &m->now, NULL, lines, 4), 0);
}

/* Making grub.cfg anew takes back what is armed there, but neither a confirmed default nor what a
 * reason kept GRUB from. */
static void test_drift_of_a_lost_script(void **state) {
        BootMachine *m = *state;
        char lines[4][NEXT_BOOT_DRIFT_SIZE];

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        fake_host_write(m->fake, "boot/grub/grub.cfg",
                        "# vfio-mode: no mode can be chosen for the next boot: for a reason.\n");
        assert_int_equal(drift(m, lines), 1);
        assert_said(lines[0], "will not see what is armed: for a reason. When that is mended run "
                              "\"update-grub\".");
        fake_host_write(m->fake, "boot/grub/grub.cfg", "### vfio-mode environment ###\n");
        (void)boot_machine_reboot(m);
        ASSERT_DONE(next_boot_confirm(&m->root, &m->config, m->booted, &m->answer, &m->refusal));
        fake_host_write(m->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        assert_int_equal(drift(m, lines), 1);
        assert_said(lines[0], "will not see what is armed: run \"update-grub\".");
}

static void test_drift_of_the_variable(void **state) {
        BootMachine *m = *state;
        char lines[4][NEXT_BOOT_DRIFT_SIZE];

        without_a_place(m);
        ASSERT_DONE(once(m, "plain"));
        carry_out(m);
        assert_int_equal(drift(m, lines), 0);
        boot_machine_config(m, "[device gpu]\naddress = 0000:01:00.0\n"
                               "[mode plain]\nvfio-devices = gpu\ncmdline = nosmt=force\n");
        assert_int_equal(drift(m, lines), 1);
        assert_string_equal(lines[0], "The cmdline of 'plain' was added after it was armed, and a "
                                      "boot by the EFI variable has none of it: run "
                                      "\"vfio-modectl next --cancel\".");
        boot_machine_config(m, "[device gpu]\naddress = 0000:01:00.0\n"
                               "[mode gaming]\nvfio-devices = gpu\n");
        assert_int_equal(drift(m, lines), 1);
        assert_said(lines[0], "names 'plain', a mode that the configuration does not have");
        assert_said(lines[0], "run \"vfio-modectl next --cancel\"");
        ASSERT_DONE(cancel(m));
        carry_out(m);
        assert_int_equal(drift(m, lines), 0);
}

/* It decides nothing, and the boot deletes it. */
static void test_drift_of_a_variable_behind_a_block(void **state) {
        BootMachine *m = *state;
        char lines[4][NEXT_BOOT_DRIFT_SIZE];

        boot_machine_prove(m);
        ASSERT_DONE(once(m, "plain"));
        assert_int_equal(efi_one_shot_write(&m->root, "gaming"), 0);
        assert_int_equal(drift(m, lines), 0);
}

static void test_drift_of_default_mode(void **state) {
        BootMachine *m = *state;
        char lines[4][NEXT_BOOT_DRIFT_SIZE];

        boot_machine_prove(m);
        boot_machine_config(m, "[general]\ndefault-mode = passthrough\n"
                               "[device gpu]\naddress = 0000:01:00.0\n"
                               "[mode passthrough]\nvfio-devices = gpu\ncmdline = nosmt=force\n");
        assert_int_equal(drift(m, lines), 1);
        assert_said(lines[0], "run \"vfio-modectl set-default passthrough\"");
        ASSERT_DONE(for_good(m, "passthrough"));
        assert_int_equal(drift(m, lines), 0);
}

static void test_drift_of_the_menu(void **state) {
        static const char *const old[] = {
                /* another cmdline, a mode that is missing, a mode that is gone */
                "### vfio-mode environment ###\n" MENU("fallback") MENU("passthrough panic=10")
                        MENU("plain panic=10") MENU("sure panic=10"),
                "### vfio-mode environment ###\n" MENU("fallback")
                        MENU("passthrough nosmt=force panic=10") MENU("plain panic=10"),
                MENU_OF_SAMPLE MENU("gaming panic=10"),
        };
        BootMachine *m = *state;
        char lines[4][NEXT_BOOT_DRIFT_SIZE];

        fake_host_write(m->fake, "boot/grub/grub.cfg", MENU_OF_SAMPLE);
        assert_int_equal(drift(m, lines), 0);
        for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
                fake_host_write(m->fake, "boot/grub/grub.cfg", old[i]);
                assert_int_equal(drift(m, lines), 1);
                assert_said(lines[0], "The boot menu's entries are older");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("of what is armed", test_drift_of_the_block),
                ON_MACHINE("of a lost script", test_drift_of_a_lost_script),
                ON_MACHINE("of the EFI variable", test_drift_of_the_variable),
                ON_MACHINE("of the EFI variable behind a block",
                           test_drift_of_a_variable_behind_a_block),
                ON_MACHINE("of a default-mode with a cmdline", test_drift_of_default_mode),
                ON_MACHINE("of the boot menu", test_drift_of_the_menu),
        };

        return cmocka_run_group_tests_name("next-boot-drift", tests, NULL, NULL);
}
