/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The next boot, boot by boot: armed, booted, confirmed, not confirmed, taken back, refused. */
#undef NDEBUG
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "next-boot-words.h"

/* --- one boot --- */

static void test_once(void **state) {
        BootMachine *m = *state;
        char *cmdline;

        boot_machine_prove(m);
        assert_int_equal(outlook(m).protection, NEXT_BOOT_PROTECTION_NONE);
        ASSERT_DONE(once(m, "passthrough"));
        assert_string_equal(m->answer.text,
                            "The next boot goes to 'passthrough', protected by GRUB's boot "
                            "environment; after it, to 'host' again.");
        assert_false(m->answer.needs_efi_write);
        assert_int_equal(outlook(m).protection, NEXT_BOOT_PROTECTION_GRUB);
        assert_int_equal(outlook(m).tries_left, 1);
        assert_string_equal(outlook(m).arguments, "nosmt=force panic=10");
        ASSERT_UNCHANGED(once(m, "passthrough"));
        assert_said(m->answer.text, "already");

        assert_next(m, "passthrough", "once");
        cmdline = fake_host_read(m->fake, "proc/cmdline");
        assert_said(cmdline, " vfio_mode=passthrough nosmt=force panic=10 vfio_mode.boot=once.");
        free(cmdline);
        ASSERT_DONE(confirm(m));
        assert_string_equal(m->answer.text, "The boot into 'passthrough' is confirmed.");
        ASSERT_UNCHANGED(confirm(m));
        assert_next(m, "host", "config");
}

static void test_once_not_confirmed(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(once(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        assert_next(m, "host", "expired");
        assert_next(m, "host", "expired");
        /* The boot into the fallback mode has nothing to confirm, and ends nothing. */
        ASSERT_UNCHANGED(confirm(m));
        assert_next(m, "host", "expired");
        ASSERT_DONE(once(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
}

static void test_tries(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(once_with(m, "passthrough", &(NextBootOptions){ .tries = 2 }));
        assert_int_equal(boot_machine_block(m).left, 2);
        ASSERT_DONE(once_with(m, "passthrough", &(NextBootOptions){ .tries = 99 }));
        assert_int_equal(boot_machine_block(m).left, BOOT_TRIES_MAX);
}

/* A number of tries is had or refused, and never passed over. */
static void test_tries_that_cannot_be(void **state) {
        const NextBootOptions two = { .tries = 2 }, one = { .tries = 1 };
        BootMachine *m = *state;

        boot_machine_prove(m);
        assert_int_equal(once_with(m, "host", &two), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "it takes no number of tries");
        assert_int_equal(for_good_with(m, "host", &two), REFUSAL_NOT_SUPPORTED);
        assert_next(m, "host", "config");
        ASSERT_DONE(once_with(m, "host", &one));
}

/* Of a default: at least as many as were asked for. */
static void test_tries_of_a_default(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_DONE(once_with(m, "passthrough", &(NextBootOptions){ .tries = 3 }));
        assert_int_equal(outlook(m).tries_left, 3);
        ASSERT_UNCHANGED(once_with(m, "passthrough", &(NextBootOptions){ .tries = 2 }));
        assert_next(m, "passthrough", "trial");
        assert_next(m, "passthrough", "trial");
        ASSERT_DONE(confirm(m));
        assert_int_equal(boot_machine_block(m).left, BOOT_LEFT_CONFIRMED);
}

static void test_cancel(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_UNCHANGED(cancel(m));
        assert_said(m->answer.text, "Nothing was armed");
        ASSERT_DONE(once(m, "passthrough"));
        ASSERT_DONE(cancel(m));
        assert_said(m->answer.text, "Taken back: default-mode decides");
        assert_next(m, "host", "config");
}

/* --- a mode from now on --- */

static void test_default(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        assert_said(m->answer.text, "on trial, protected by GRUB's boot environment");
        assert_said(m->answer.text, "vfio-modectl confirm");
        ASSERT_UNCHANGED(for_good(m, "passthrough"));
        assert_next(m, "passthrough", "trial");
        ASSERT_DONE(confirm(m));
        assert_string_equal(
                m->answer.text,
                "The boot into 'passthrough' is confirmed: it is the default from now on.");
        ASSERT_UNCHANGED(for_good(m, "passthrough"));
        assert_said(m->answer.text, "From now on boots go to 'passthrough' already.");
        /* Every boot is counted, and three in a row may fail. */
        for (int i = 0; i < BOOT_LEFT_CONFIRMED; i++)
                assert_next(m, "passthrough", "default");
        assert_next(m, "host", "expired");
        ASSERT_DONE(cancel(m));
        assert_next(m, "host", "config");
}

static void test_default_that_fails(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        assert_next(m, "host", "expired");
}

static void test_host_once_behind_a_default(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        ASSERT_DONE(confirm(m));
        ASSERT_DONE(once(m, "host"));
        assert_string_equal(m->answer.text,
                            "The next boot goes to 'host'; after it, to 'passthrough' again.");
        ASSERT_UNCHANGED(once(m, "host"));
        assert_next(m, "host", "skip");
        ASSERT_UNCHANGED(confirm(m));
        assert_next(m, "passthrough", "default");
        ASSERT_DONE(confirm(m));
        ASSERT_DONE(once(m, "host"));
        ASSERT_DONE(once(m, "passthrough"));
        assert_said(m->answer.text, "The next boot goes to 'passthrough', which is the default.");
        assert_next(m, "passthrough", "default");
}

static void test_default_of_the_fallback_mode(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_UNCHANGED(for_good(m, "host"));
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        ASSERT_DONE(confirm(m));
        ASSERT_DONE(for_good(m, "host"));
        assert_string_equal(m->answer.text, "From now on boots go to 'host'.");
        assert_next(m, "host", "config");
}

static void test_other_default(void **state) {
        BootMachine *m = *state;
        BootState before, after;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        before = boot_machine_block(m);
        assert_int_equal(once(m, "plain"), REFUSAL_OTHER_DEFAULT);
        assert_said(m->refusal.text, "passthrough");
        after = boot_machine_block(m);
        assert_true(boot_state_equal(&before, &after));
        ASSERT_DONE(for_good(m, "plain"));
        ASSERT_BOOTS("plain");
}

static void test_confirm_by_the_boot(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "sure"));
        assert_said(m->answer.text, "(when the boot has completed)");
}

/* --- default-mode of the configuration --- */

static void test_default_mode_counts(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        assert_next(m, "passthrough", "config");
        assert_next(m, "passthrough", "config");
        assert_int_equal(count_of(m), 2);
        assert_next(m, "host", "count");
        /* Being back is no reason to try again. */
        ASSERT_UNCHANGED(confirm(m));
        ASSERT_UNCHANGED(confirm_in(m, "passthrough")); /* switched to at run time */
        assert_next(m, "host", "count");
        ASSERT_DONE(cancel(m));
        assert_int_equal(count_of(m), 0);
        assert_next(m, "passthrough", "config");
        ASSERT_DONE(confirm(m));
        assert_said(m->answer.text, "The boot into 'passthrough' is confirmed.");
        ASSERT_UNCHANGED(confirm(m));
        assert_int_equal(count_of(m), 0);
        assert_next(m, "passthrough", "config");
        assert_int_equal(count_of(m), 1);
}

static void test_default_mode_and_next(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        ASSERT_BOOTS("passthrough");
        ASSERT_DONE(once(m, "host"));
        assert_said(m->answer.text, "after it, to 'passthrough' again");
        assert_next(m, "host", "skip");
        assert_int_equal(count_of(m), 1);
        ASSERT_UNCHANGED(confirm(m)); /* counts on: that was no boot into default-mode */
        ASSERT_BOOTS("passthrough");
        assert_int_equal(count_of(m), 2);
        ASSERT_DONE(for_good(m, "host"));
        assert_int_equal(count_of(m), 0);
        assert_next(m, "host", "default");
        ASSERT_DONE(once(m, "plain") == REFUSAL_OTHER_DEFAULT ? for_good(m, "plain") : 0);
        assert_said(m->answer.text, "on trial");
        assert_next(m, "plain", "trial");
        assert_next(m, "host", "expired");
}

static void test_default_mode_without_a_count(void **state) {
        BootMachine *m = *state;

        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        fake_host_write(m->fake, BOOT_RECORD_PATH, "damaged");
        assert_string_equal(outlook(m).kind, "count");
        assert_string_equal(outlook(m).mode, "host");
        fake_host_remove(m->fake, "var/lib");
        assert_string_equal(outlook(m).kind, "count");
}

/* --- what is not confirmed --- */

static void test_kexec(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        assert_string_equal(boot_machine_kexec(m), "passthrough");
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
        assert_said(m->refusal.text, "kexec");
        assert_next(m, "host", "expired");
}

/* The record could not be written: the one of the boot before tells. */
static void test_kexec_without_a_record(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        fake_host_write(m->fake, "proc/sys/kernel/random/boot_id",
                        "99999999-9999-4999-8999-999999999999\n");
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
}

/* GRUB runs, and then the old kernel goes on: whether or not it found one that is left. */
static void test_hibernation(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        for (unsigned tries = 1; tries <= BOOT_TRIES_MAX; tries++) {
                BootState before, after;

                ASSERT_DONE(for_good_with(m, "passthrough", &(NextBootOptions){ .tries = tries }));
                ASSERT_BOOTS("passthrough");
                boot_machine_hibernate(m);
                before = boot_machine_block(m);
                assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
                assert_said(m->refusal.text, "hibernated");
                after = boot_machine_block(m);
                assert_true(boot_state_equal(&before, &after));
                ASSERT_DONE(cancel(m));
        }
        ASSERT_DONE(once(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        boot_machine_hibernate(m);
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
        assert_next(m, "host", "expired");
        ASSERT_DONE(once(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        ASSERT_DONE(confirm(m));
}

/* Armed, and then hibernated instead of booted: the one boot is over, and the kernel another. */
static void test_hibernation_while_armed(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        boot_machine_hibernate(m);
        ASSERT_UNCHANGED(confirm_in(m, "passthrough"));
        assert_int_equal(boot_machine_block(m).keep, BOOT_KEEP_TRIAL);
        assert_next(m, "host", "expired");
}

/* What was armed and not run by a boot at such a time, in seconds from now. */
static const char *not_run_since(BootMachine *m, int seconds) {
        BootRecord record;

        assert_int_equal(boot_record_read(&m->root, BOOT_RECORD_PATH, &record), 0);
        if (seconds > 0)
                record.time = (uint64_t)time(NULL) + (uint64_t)seconds;
        assert_int_equal(boot_record_write(&m->root, &record), 0);
        next_boot_read(&m->root, &m->now);
        return next_boot_not_run(&m->now);
}

static void test_menu(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        boot_machine_cmdline(m, "quiet vfio_mode=passthrough vfio_mode.boot=menu.0.0\n");
        assert_string_equal(boot_machine_kexec(m), "passthrough");
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
        assert_said(m->refusal.text, "menu");
}

/* Armed, and then somebody picked another entry of the menu. */
static void test_not_run(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good_with(m, "passthrough", &(NextBootOptions){ .tries = 2 }));
        assert_string_equal(not_run_since(m, 0), ""); /* not its time yet */
        boot_machine_cmdline(m, "quiet vfio_mode=fallback single\n");
        assert_string_equal(boot_machine_kexec(m), "host");
        assert_string_equal(not_run_since(m, 10), "passthrough");
        ASSERT_BOOTS("passthrough");
        assert_string_equal(not_run_since(m, 20), "");
        ASSERT_DONE(confirm(m));
        boot_machine_cmdline(m, "quiet vfio_mode=fallback single\n");
        assert_string_equal(boot_machine_kexec(m), "host");
        assert_string_equal(not_run_since(m, 30), ""); /* a default waits for the next boot */
        ASSERT_DONE(for_good(m, "host"));
        assert_string_equal(not_run_since(m, 40), "");

        /* The same mode, but not by what was armed: that is no proof. */
        ASSERT_BOOTS("host");
        ASSERT_DONE(once(m, "passthrough"));
        boot_machine_cmdline(m, "quiet vfio_mode=passthrough vfio_mode.boot=menu.0.0\n");
        assert_string_equal(boot_machine_kexec(m), "passthrough");
        assert_string_equal(not_run_since(m, 50), "passthrough");
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
        ASSERT_DONE(cancel(m));
        assert_string_equal(not_run_since(m, 60), "");
}

static void test_other_mode_in_force(void **state) {
        BootMachine *m = *state;
        BootState before, after;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        before = boot_machine_block(m);
        assert_int_equal(confirm_in(m, "host"), REFUSAL_OTHER_BOOT);
        assert_said(m->refusal.text, "This boot went to 'passthrough', and the mode now is 'host'");
        after = boot_machine_block(m);
        assert_true(boot_state_equal(&before, &after));
}

static void test_block_gone(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        fake_host_remove(m->fake, BLOCK);
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
        assert_said(m->refusal.text, "gone or damaged");
}

static void test_armed_anew(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        ASSERT_DONE(for_good(m, "passthrough"));
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
}

/* Whoever confirmed was killed after the block was written, before the record was. */
static void test_confirm_was_killed(void **state) {
        static const bool kinds[] = { false, true };
        BootMachine *m = *state;

        boot_machine_prove(m);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                BootRecord record;

                ASSERT_DONE(kinds[i] ? for_good(m, "passthrough") : once(m, "passthrough"));
                ASSERT_BOOTS("passthrough");
                assert_int_equal(boot_record_read(&m->root, BOOT_RECORD_PATH, &record), 0);
                ASSERT_DONE(confirm(m));
                assert_int_equal(boot_record_write(&m->root, &record), 0);
                ASSERT_DONE(confirm(m));
                ASSERT_UNCHANGED(confirm(m));
                assert_next(m, kinds[i] ? "passthrough" : "host", kinds[i] ? "default" : "config");
        }
}

/* An older block in its place looks as confirming leaves one, and does not know of this boot. */
static void test_block_of_before(void **state) {
        const BootState idle = { .sequence = 1, .left = 1 };
        BootMachine *m = *state;
        EnvBlock block;

        boot_machine_prove(m);
        ASSERT_DONE(once(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        assert_int_equal(boot_state_format(&idle, &block), 0);
        fake_host_write_bytes(m->fake, BLOCK, block.bytes, sizeof(block.bytes));
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
        assert_false(m->answer.changed);
}

/* A backup is put back over the block: what it has armed was over. */
static void test_restored_block(void **state) {
        BootMachine *m = *state;
        BootState armed;
        EnvBlock block;

        boot_machine_prove(m);
        ASSERT_DONE(for_good_with(m, "passthrough", &(NextBootOptions){ .tries = 3 }));
        armed = boot_machine_block(m);
        assert_int_equal(boot_state_format(&armed, &block), 0);
        ASSERT_BOOTS("passthrough");
        ASSERT_BOOTS("passthrough");
        fake_host_write_bytes(m->fake, BLOCK, block.bytes, sizeof(block.bytes));
        ASSERT_BOOTS("host"); /* as many are left as two boots before */
        ASSERT_BOOTS("host");
        assert_int_equal(confirm(m), REFUSAL_OTHER_BOOT);
        ASSERT_DONE(for_good(m, "host"));
        ASSERT_BOOTS("host");
        fake_host_write_bytes(m->fake, BLOCK, block.bytes, sizeof(block.bytes));
        ASSERT_BOOTS("host");
        next_boot_read(&m->root, &m->now);
        assert_int_equal(m->now.record.kind, REFUSAL_UNPROTECTED);
        /* What is armed anew has a number of its own. */
        ASSERT_DONE(for_good(m, "plain"));
        ASSERT_BOOTS("plain");
        ASSERT_DONE(confirm(m));
}

static RefusalKind drop_stale(BootMachine *m, bool *ret_dropped) {
        BootPlace place;

        assert_int_equal(setenv("GRUB_CMDLINE_LINUX", "$vfio_args", true), 0);
        assert_int_equal(boot_place_find_for_grub(&m->root, &place), 0);
        return next_boot_drop_stale(&m->root, &place, ret_dropped, &m->refusal);
}

/* The package is removed while a mode is armed, and comes back. */
static void test_removed_while_armed(void **state) {
        static const char script[] = "### vfio-mode environment ###\n";
        BootMachine *m = *state;
        bool dropped = false;

        boot_machine_prove(m);
        ASSERT_DONE(once(m, "passthrough"));
        assert_int_equal(drop_stale(m, &dropped), REFUSAL_NONE);
        assert_false(dropped); /* an update-grub in between */
        fake_host_write(m->fake, "boot/grub/grub.cfg",
                        "# vfio-mode: no mode can be chosen for the next boot: for a reason.\n");
        assert_int_equal(drop_stale(m, &dropped), REFUSAL_NONE);
        assert_false(dropped); /* not gone, but at a loss */

        fake_host_write(m->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        assert_next(m, "host", "config");
        assert_string_equal(not_run_since(m, 10), "passthrough");
        assert_int_equal(boot_machine_block(m).left, 1);
        assert_int_equal(drop_stale(m, &dropped), REFUSAL_NONE);
        assert_true(dropped);
        fake_host_write(m->fake, "boot/grub/grub.cfg", script);
        assert_next(m, "host", "config");

        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        ASSERT_DONE(confirm(m));
        fake_host_write(m->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        ASSERT_BOOTS("host");
        dropped = false;
        assert_int_equal(drop_stale(m, &dropped), REFUSAL_NONE);
        assert_false(dropped);
        fake_host_write(m->fake, "boot/grub/grub.cfg", script);
        assert_next(m, "passthrough", "default");
}

/* --- where GRUB looks --- */

/* GRUB goes by what lies there, whatever is said here. */
static void test_block_out_of_reach(void **state) {
        static const char why[] =
                "GRUB looks for the boot environment on the ESP 1A2B-3C4D, and no "
                "ESP is mounted";
        BootMachine *m = *state;

        boot_machine_prove(m);
        fake_host_write(m->fake, "boot/grub/grub.cfg",
                        GRUB_SCRIPT_MARK "\nsearch --fs-uuid --set=vfio_root 1A2B-3C4D\n");
        boot_machine_mounts(m, MOUNT_ROOT MOUNT_EFIVARS);
        assert_string_equal(outlook(m).kind, "unknown");
        assert_string_equal(outlook(m).mode, "");
        assert_said(outlook(m).reason, why);
        assert_int_equal(once(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, why);
        assert_int_equal(once(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, why);
        assert_int_equal(for_good(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, why);
        assert_int_equal(cancel(m), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, why);
        /* The variable can be had all the same. */
        assert_int_equal(efi_one_shot_write(&m->root, "plain"), 0);
        ASSERT_DONE(cancel(m));
        carry_out(m);
        assert_said(m->answer.text, "Whether another mode is armed only GRUB can tell.");
        assert_string_equal(outlook(m).kind, "unknown");
        assert_string_equal(m->now.efi_mode, "");
        assert_true(next_boot_disarm(&m->root) < 0);
}

/* Nor does it need /boot to be mounted: the command line says that it went by our script. */
static void test_grub_out_of_reach(void **state) {
        static const char why[] = "GRUB has booted by a grub.cfg that is not to be found now";
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        assert_int_equal(renameat(m->root.fd, "boot", m->root.fd, "away"), 0);
        assert_string_equal(outlook(m).kind, "unknown");
        assert_said(outlook(m).reason, why);
        assert_int_equal(once(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, why);
        assert_int_equal(once(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(for_good(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(cancel(m), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, why);
        assert_int_equal(confirm(m), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, why);
        assert_true(next_boot_disarm(&m->root) < 0);
        assert_int_equal(renameat(m->root.fd, "away", m->root.fd, "boot"), 0);
        ASSERT_DONE(confirm(m));
        assert_int_equal(next_boot_disarm(&m->root), 0);
        assert_next(m, "host", "expired");
}

/* Where another loader has booted, the marker came out of a command line of GRUB's by hand. */
static void test_marker_of_another_loader(void **state) {
        static const char info[] = "\6\0\0\0s\0y\0s\0t\0e\0m\0d\0-\0b\0o\0o\0t\0\0";
        BootMachine *m = *state;

        boot_machine_prove(m);
        fake_host_remove(m->fake, "boot/grub");
        fake_host_write_bytes(m->fake,
                              EFI_VARIABLES_DIR "/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
                              info, sizeof(info));
        assert_string_equal(outlook(m).kind, "config");
        ASSERT_UNCHANGED(cancel(m));
        ASSERT_DONE(once(m, "plain"));
        carry_out(m);
        assert_string_equal(outlook(m).kind, "efi");
        assert_int_equal(next_boot_disarm(&m->root), 0);
        assert_string_equal(outlook(m).kind, "config");
}

/* An entry that names its own mode is heeded before anything that is armed. */
static void test_default_entry_of_a_mode(void **state) {
        static const char cfg[] = "set default=\"x\"\n" GRUB_SCRIPT_MARK
                                  "\nmenuentry 'x' $menuentry_id_option 'vfio-mode-plain-x' {\n}\n";
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        fake_host_write(m->fake, "boot/grub/grub.cfg", cfg);
        assert_string_equal(outlook(m).kind, "menu");
        assert_string_equal(outlook(m).mode, "");
        assert_int_equal(once(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "GRUB's default entry 'x' is for one mode");
        assert_int_equal(for_good(m, "passthrough"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "as GRUB_DEFAULT in /etc/default/grub, and run update-grub.");
        assert_int_equal(once(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(for_good(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(next_boot_disarm(&m->root), -EOPNOTSUPP);
        fake_host_write(m->fake, "boot/grub/grub.cfg", cfg + strlen("set default=\"x\"\n"));
        assert_string_equal(outlook(m).kind, "expired"); /* that was disarmed all the same */
        ASSERT_DONE(cancel(m));
        ASSERT_DONE(once(m, "plain"));
}

/* The fallback mode's own: that is where boots go, and what is armed can be taken back. */
static void test_default_entry_of_the_fallback_mode(void **state) {
        static const char cfg[] = "set default=\"x, host mode\"\n" GRUB_SCRIPT_MARK
                                  "\nmenuentry 'x, host mode' $menuentry_id_option "
                                  "'vfio-mode-fallback-simple' {\n}\n";
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        fake_host_write(m->fake, "boot/grub/grub.cfg", cfg);
        assert_string_equal(outlook(m).kind, "menu");
        assert_string_equal(outlook(m).mode, "host");
        assert_int_equal(once(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(for_good(m, "passthrough"), REFUSAL_NOT_SUPPORTED);
        ASSERT_DONE(once(m, "host"));
        assert_string_equal(m->answer.text,
                            "The next boot goes to 'host'; after it, to 'host', too.");
        ASSERT_DONE(for_good(m, "host"));
        assert_string_equal(boot_machine_block(m).mode, "");
        assert_int_equal(next_boot_disarm(&m->root), 0);
}

/* So it does where it could write once. */
static void test_block_where_grub_cannot_write_any_more(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        fake_host_write(m->fake, "boot/grub/grub.cfg",
                        GRUB_SCRIPT_MARK "\nset vfio_file=\"${prefix}/vfio-mode/x\"\n");
        boot_machine_mounts(m, "21 1 8:2 / / rw - ext4 /dev/sda2 ro\n" MOUNT_ESP);
        assert_string_equal(outlook(m).kind, "trial");
        assert_int_equal(for_good(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text,
                    "and /boot/grub is on a file system that is mounted read-only");
        assert_int_equal(once(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(cancel(m), REFUSAL_NOT_SUPPORTED);
        assert_false(fake_host_exists(m->fake, ESP_BLOCK));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("one boot, confirmed", test_once),
                ON_MACHINE("one boot, not confirmed", test_once_not_confirmed),
                ON_MACHINE("boots that a trial may take", test_tries),
                ON_MACHINE("a number of tries where there are none", test_tries_that_cannot_be),
                ON_MACHINE("a number of tries for a default", test_tries_of_a_default),
                ON_MACHINE("taken back", test_cancel),
                ON_MACHINE("a default, by a trial that is confirmed", test_default),
                ON_MACHINE("a default, by a trial that is not", test_default_that_fails),
                ON_MACHINE("host once, with a default behind it", test_host_once_behind_a_default),
                ON_MACHINE("the fallback mode from now on", test_default_of_the_fallback_mode),
                ON_MACHINE("one boot beside another default", test_other_default),
                ON_MACHINE("a default that confirms itself", test_confirm_by_the_boot),
                ON_MACHINE("boots into default-mode are counted", test_default_mode_counts),
                ON_MACHINE("default-mode, host once, host from now on", test_default_mode_and_next),
                ON_MACHINE("default-mode without a count", test_default_mode_without_a_count),
                ON_MACHINE("kexec is not confirmed", test_kexec),
                ON_MACHINE("kexec, and no record of it", test_kexec_without_a_record),
                ON_MACHINE("a kernel that was hibernated is not confirmed", test_hibernation),
                ON_MACHINE("a block out of a backup", test_restored_block),
                ON_MACHINE("removed while a mode is armed", test_removed_while_armed),
                ON_MACHINE("hibernated while armed", test_hibernation_while_armed),
                ON_MACHINE("a menu entry is not confirmed", test_menu),
                ON_MACHINE("what was armed is not what was booted", test_not_run),
                ON_MACHINE("another mode than the booted one", test_other_mode_in_force),
                ON_MACHINE("a block that is gone since", test_block_gone),
                ON_MACHINE("armed anew since the boot", test_armed_anew),
                ON_MACHINE("whoever confirmed was killed", test_confirm_was_killed),
                ON_MACHINE("an older block that is idle", test_block_of_before),
                ON_MACHINE("a block that is not mounted", test_block_out_of_reach),
                ON_MACHINE("a grub.cfg that is not mounted", test_grub_out_of_reach),
                ON_MACHINE("a marker on another loader's machine", test_marker_of_another_loader),
                ON_MACHINE("a block where GRUB cannot write any more",
                           test_block_where_grub_cannot_write_any_more),
                ON_MACHINE("a default entry of a mode", test_default_entry_of_a_mode),
                ON_MACHINE("a default entry of the fallback mode",
                           test_default_entry_of_the_fallback_mode),
        };

        return cmocka_run_group_tests_name("next-boot", tests, NULL, NULL);
}
