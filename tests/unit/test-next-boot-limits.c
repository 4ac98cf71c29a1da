/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What protects the next boot, what carries it where GRUB cannot, and what is refused. */
#undef NDEBUG
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/efi-one-shot.h"
#include "boot/env-file.h"
#include "next-boot-words.h"

/* --- protection --- */

static void test_unknown_mode(void **state) {
        BootMachine *m = *state;

        assert_int_equal(once(m, "no-such"), REFUSAL_UNKNOWN_MODE);
        assert_int_equal(for_good(m, "no-such"), REFUSAL_UNKNOWN_MODE);
        assert_said(m->refusal.text, "'no-such'");
}

static void test_not_seen_yet(void **state) {
        BootMachine *m = *state;

        /* The first time makes the block, so that one reboot is enough. */
        assert_int_equal(once(m, "passthrough"), REFUSAL_UNPROTECTED);
        assert_said(m->refusal.text, "made anew just now in /" BLOCK ": reboot once");
        assert_string_equal(boot_machine_block(m).mode, "");
        assert_int_equal(for_good(m, "passthrough"), REFUSAL_UNPROTECTED);
        assert_said(m->refusal.text, "GRUB has not been seen yet to read and write /" BLOCK);
        assert_next(m, "host", "config");
        ASSERT_DONE(once(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
}

static void test_without_protection(void **state) {
        BootMachine *m = *state;

        ASSERT_DONE(once_with(m, "passthrough", &(NextBootOptions){ .without_protection = true }));
        assert_said(m->answer.text, "without protection");
        assert_int_equal(outlook(m).protection, NEXT_BOOT_PROTECTION_NONE);
        ASSERT_BOOTS("passthrough");
}

static void test_no_script(void **state) {
        BootMachine *m = *state;
        NextBootOptions options = { .without_protection = true };

        boot_machine_prove(m);
        fake_host_write(m->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        assert_int_equal(once_with(m, "passthrough", &options), REFUSAL_UNPROTECTED);
        assert_said(m->refusal.text, "run update-grub");
        assert_int_equal(for_good_with(m, "passthrough", &options), REFUSAL_UNPROTECTED);
        ASSERT_BOOTS("host");
}

/* grub.cfg was made, and has the script's reason in its place. */
static void test_no_script_for_a_reason(void **state) {
        BootMachine *m = *state;
        char text[700] = "# vfio-mode: no mode can be chosen for the next boot: No entries.\n"
                         "# vfio-mode: And more.\n";

        fake_host_remove(m->fake, "usr/sbin/update-grub");
        fake_host_write(m->fake, "boot/grub/grub.cfg", text);
        assert_int_equal(once(m, "passthrough"), REFUSAL_UNPROTECTED);
        assert_string_equal(m->refusal.text,
                            "GRUB's configuration was made without vfio-mode's script: No entries. "
                            "When that is mended run grub-mkconfig -o /boot/grub/grub.cfg, and "
                            "reboot once.");
        (void)memset(text + 70, 'x', sizeof(text) - 71);
        fake_host_write(m->fake, "boot/grub2/grub.cfg", text);
        fake_host_remove(m->fake, "boot/grub");
        assert_int_equal(once(m, "passthrough"), REFUSAL_UNPROTECTED);
        assert_said(m->refusal.text, ". When that is mended run grub2-mkconfig -o "
                                     "/boot/grub2/grub.cfg, and reboot once.");
        /* The reason of an earlier time is none. */
        fake_host_write(m->fake, "boot/grub2/grub.cfg", "### vfio-mode environment ###\n");
        assert_int_equal(once(m, "passthrough"), REFUSAL_UNPROTECTED);
        assert_said(m->refusal.text, "reboot once so that GRUB is seen");
}

static void test_unwritable(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(once(m, "passthrough"));
        m->grub_is_readonly = true;
        ASSERT_BOOTS("host");
        assert_string_equal(outlook(m).kind, "unwritable");
        assert_int_equal(once(m, "passthrough"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "GRUB could not write /" BLOCK);
        assert_said(m->refusal.text, "press e");
        ASSERT_BOOTS("host");
        ASSERT_DONE(cancel(m));
        ASSERT_BOOTS("host");
}

static void test_damaged(void **state) {
        BootMachine *m = *state;
        char bytes[ENV_BLOCK_SIZE];

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        (void)memset(bytes, 'x', sizeof(bytes));
        fake_host_write_bytes(m->fake, BLOCK, bytes, sizeof(bytes));
        assert_next(m, "host", "damaged");
        assert_int_equal(once(m, "plain"), REFUSAL_UNPROTECTED);
        assert_said(m->refusal.text, "made anew just now");
        assert_string_equal(boot_machine_block(m).mode, "");
        fake_host_write_bytes(m->fake, BLOCK, bytes, sizeof(bytes));
        ASSERT_DONE(cancel(m));
        assert_next(m, "passthrough", "config");
}

static void test_too_long(void **state) {
        BootMachine *m = *state;
        char cmdline[2048];

        boot_machine_prove(m);
        (void)memset(cmdline, 'x', sizeof(cmdline));
        (void)snprintf(cmdline + 1850, sizeof(cmdline) - 1850, " vfio_mode.boot=idle.1.0\n");
        boot_machine_cmdline(m, cmdline);
        ASSERT_DONE(once(m, "passthrough"));
        (void)snprintf(cmdline + 1940, sizeof(cmdline) - 1940, " vfio_mode.boot=idle.1.0\n");
        cmdline[1850] = 'x';
        (void)memset(cmdline + 1850, 'x', 90);
        boot_machine_cmdline(m, cmdline);
        assert_int_equal(for_good(m, "passthrough"), REFUSAL_CMDLINE_TOO_LONG);
        assert_said(m->refusal.text, "the kernel takes 2047");
        assert_string_equal(boot_machine_block(m).mode, "passthrough");
        assert_int_equal(boot_machine_block(m).keep, BOOT_KEEP_NO);
        /* The way back has no arguments. */
        ASSERT_DONE(once(m, "host"));
}

/* To the byte: the kernel cuts off what is beyond, and there the mode's arguments stand. */
static void test_one_too_long(void **state) {
        BootMachine *m = *state;
        RefusalKind kind = REFUSAL_NONE;
        char cmdline[2048];

        boot_machine_prove(m);
        for (size_t n = 1800; n < 2000 && kind == REFUSAL_NONE; n++) {
                (void)memset(cmdline, 'x', n);
                (void)snprintf(cmdline + n, sizeof(cmdline) - n, " vfio_mode.boot=idle.1.0\n");
                boot_machine_cmdline(m, cmdline);
                kind = once(m, "passthrough");
        }
        assert_int_equal(kind, REFUSAL_CMDLINE_TOO_LONG);
        assert_said(m->refusal.text, "would be 2048 bytes long");
}

/* --- without a place --- */

static void test_efi(void **state) {
        BootMachine *m = *state;

        without_a_place(m);
        ASSERT_DONE(once(m, "plain"));
        assert_string_equal(m->answer.text,
                            "The next boot goes to 'plain', by a one-shot EFI variable; after it, "
                            "to 'host' again.");
        carry_out(m);
        assert_int_equal(outlook(m).protection, NEXT_BOOT_PROTECTION_EFI);
        ASSERT_UNCHANGED(once(m, "plain"));
        assert_false(m->answer.needs_efi_write);
        assert_next(m, "plain", "efi");
        assert_next(m, "host", "config");

        ASSERT_DONE(once(m, "plain"));
        carry_out(m);
        ASSERT_DONE(cancel(m));
        assert_string_equal(m->answer.efi_mode, "none");
        carry_out(m);
        ASSERT_DONE(once(m, "plain"));
        carry_out(m);
        ASSERT_DONE(once(m, "host"));
        assert_string_equal(m->answer.efi_mode, "none");
        assert_said(m->answer.text, "The next boot goes to 'host', as all do");
        carry_out(m);
        assert_next(m, "host", "config");
}

static void test_efi_and_default_mode(void **state) {
        BootMachine *m = *state;

        without_a_place(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        ASSERT_DONE(once(m, "host"));
        assert_string_equal(m->answer.efi_mode, "host");
        carry_out(m);
        assert_next(m, "host", "efi");
        assert_next(m, "passthrough", "config");
        assert_int_equal(for_good(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "default-mode = host");
}

static void test_nothing_carries(void **state) {
        BootMachine *m = *state;
        NextBootOptions options = { .without_protection = true };

        without_a_place(m);
        assert_int_equal(once_with(m, "passthrough", &options), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "/boot/grub is on btrfs");
        assert_said(m->refusal.text, "By hand, for one boot: press e");
        assert_int_equal(for_good_with(m, "plain", &options), REFUSAL_NOT_SUPPORTED);
        ASSERT_UNCHANGED(once(m, "host"));
        ASSERT_UNCHANGED(for_good(m, "host"));
        boot_machine_mounts(m, "21 1 0:40 / / rw - btrfs x rw\n");
        assert_int_equal(once(m, "plain"), REFUSAL_NOT_SUPPORTED);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        assert_int_equal(once(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "set default-mode = host");
}

/* Proxmox's default layout without its ESP, started by a BIOS. */
static void test_lvm_alone(void **state) {
        BootMachine *m = *state;

        boot_machine_disk(m, "253:0", "virtual/block/dm-0", false);
        fake_host_write(m->fake, "sys/devices/virtual/block/dm-0/dm/uuid", "LVM-abc\n");
        fake_host_remove(m->fake, EFI_VARIABLES_DIR);
        boot_machine_mounts(m, "21 1 253:0 / / rw - ext4 /dev/mapper/pve-root rw\n");
        assert_int_equal(once(m, "passthrough"), REFUSAL_NOT_SUPPORTED);
        assert_string_equal(
                m->refusal.text,
                "/boot/grub is on LVM, which GRUB reads but does not write, and no ESP is mounted. "
                "By hand, for one boot: press e in GRUB's menu, and add vfio_mode=MODE and the "
                "mode's cmdline to the line that begins with linux.");
        assert_int_equal(for_good(m, "passthrough"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "/boot/grub is on LVM");
        assert_said(m->refusal.text, "press e in GRUB's menu");
        assert_int_equal(once(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "press e in GRUB's menu");
        assert_int_equal(for_good(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "Set default-mode = plain in /etc/vfio-mode.ini instead: "
                                     "/boot/grub is on LVM");
}

/* What GRUB names comes before the variable: it is not taken where GRUB has something to say. */
static void test_efi_behind_a_block(void **state) {
        BootMachine *m = *state;
        char bytes[ENV_BLOCK_SIZE] = { 0 };

        fake_host_write_bytes(m->fake, BLOCK, bytes, sizeof(bytes));
        ASSERT_BOOTS("host");
        assert_string_equal(outlook(m).kind, "damaged");
        assert_int_equal(once_with(m, "sure", &(NextBootOptions){ 0 }), REFUSAL_UNPROTECTED);
}

static void test_efi_for_an_idle_block(void **state) {
        BootMachine *m = *state;

        assert_int_equal(env_file_create(&m->root, BLOCK), 1);
        assert_int_equal(once_with(m, "plain", &(NextBootOptions){ .tries = 2 }),
                         REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "an EFI variable, for one boot and no more");
        ASSERT_DONE(once(m, "plain"));
        carry_out(m);
        assert_next(m, "plain", "efi");
        assert_int_equal(boot_machine_block(m).left, 0);
}

/* Where the block takes over, taking that back does not bring up what was armed before. */
static void test_efi_before_a_block(void **state) {
        BootMachine *m = *state;
        const NextBootOptions options = { .without_protection = true };

        assert_int_equal(env_file_create(&m->root, BLOCK), 1);
        ASSERT_DONE(once(m, "plain"));
        carry_out(m);
        ASSERT_DONE(once_with(m, "passthrough", &options));
        assert_string_equal(m->answer.efi_mode, "none");
        carry_out(m);
        ASSERT_DONE(cancel(m));
        assert_false(m->answer.needs_efi_write);
        assert_next(m, "host", "config");
}

/* --- killed in the middle --- */

typedef struct Parts {
        char *block, *record;
} Parts;

static Parts take_parts(BootMachine *m) {
        return (Parts){ fake_host_read(m->fake, BLOCK), fake_host_read(m->fake, BOOT_RECORD_PATH) };
}

static void put_parts(BootMachine *m, const char *block, const char *record) {
        fake_host_write(m->fake, BLOCK, block);
        fake_host_write(m->fake, BOOT_RECORD_PATH, record);
        assert_int_equal(efi_one_shot_write(&m->root, "plain"), 0);
}

/* The block, the count, the EFI variable: after each write the next boot is the one of before or
 * the one that was asked for, and the same once more does the rest. */
static void test_default_was_killed(void **state) {
        static const char *const modes[] = { "passthrough", "host" };
        BootMachine *m = *state;
        Parts old;

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        ASSERT_BOOTS("passthrough");
        old = take_parts(m);
        assert_int_equal(count_of(m), 1);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                Parts new;

                put_parts(m, old.block, old.record);
                ASSERT_DONE(for_good(m, modes[i]));
                new = take_parts(m);
                assert_string_equal(m->answer.efi_mode, "none");
                for (unsigned n_written = 0; n_written < 3; n_written++) {
                        put_parts(m, n_written > 0 ? new.block : old.block,
                                  n_written > 1 ? new.record : old.record);
                        assert_string_equal(outlook(m).mode, n_written > 0 ? modes[i] : "plain");
                        ASSERT_DONE(for_good(m, modes[i]));
                        carry_out(m);
                        assert_int_equal(count_of(m), 0);
                        assert_string_equal(outlook(m).mode, modes[i]);
                        assert_string_equal(m->now.efi_mode, "");
                }
                ASSERT_BOOTS(modes[i]);
                free(new.block);
                free(new.record);
        }
        free(old.block);
        free(old.record);
}

/* --- disarming --- */

static void test_disarm(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(for_good(m, "passthrough"));
        ASSERT_BOOTS("passthrough");
        ASSERT_DONE(confirm(m));
        assert_int_equal(efi_one_shot_write(&m->root, "plain"), 0);
        assert_int_equal(next_boot_disarm(&m->root), 0);
        assert_string_equal(outlook(m).kind, "expired");
        assert_string_equal(m->now.efi_mode, "");
        assert_next(m, "host", "expired");
        assert_next(m, "host", "expired");
        assert_int_equal(next_boot_disarm(&m->root), 0);
        ASSERT_DONE(cancel(m));
        assert_next(m, "host", "config");
}

static void test_disarm_default_mode(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        ASSERT_BOOTS("passthrough");
        assert_int_equal(next_boot_disarm(&m->root), 0);
        assert_next(m, "host", "skip");
        assert_next(m, "host", "count");
        without_a_place(m);
        ASSERT_DONE(cancel(m));
        assert_next(m, "passthrough", "config");
        assert_int_equal(next_boot_disarm(&m->root), 0);
        assert_next(m, "host", "count");
}

/* --- reading --- */

static void test_read(void **state) {
        BootMachine *m = *state;

        next_boot_read(&m->root, &m->now);
        assert_int_equal(m->now.state_result, -ENOENT);
        assert_true(m->now.record_is_current);
        assert_int_equal(m->now.previous_result, -ENOENT);
        assert_int_equal(m->now.marker.kind, BOOT_KIND_MISSING);
        fake_host_write(m->fake, "proc/sys/kernel/random/boot_id",
                        "99999999-9999-4999-8999-999999999999\n");
        next_boot_read(&m->root, &m->now);
        assert_false(m->now.record_is_current);
        assert_int_equal(m->now.previous_result, 0);
        assert_string_equal(m->now.previous.boot_id, m->now.record.boot_id);
        fake_host_remove(m->fake, "proc");
        fake_host_remove(m->fake, "sys");
        fake_host_remove(m->fake, "boot");
        next_boot_read(&m->root, &m->now);
        assert_true(m->now.place_result < 0);
        assert_int_equal(m->now.marker.kind, BOOT_KIND_NONE);
}

static void test_no_configuration(void **state) {
        BootMachine *m = *state;
        NextBootOutlook next;

        boot_machine_prove(m);
        next_boot_read(&m->root, &m->now);
        next_boot_outlook(&m->now, NULL, &next);
        assert_string_equal(next.mode, "host");
        assert_string_equal(next.kind, "config");
        assert_string_equal(next_boot_protection_name(next.protection), "none");
        assert_string_equal(next_boot_protection_name(NEXT_BOOT_PROTECTION_GRUB), "grub");
        assert_string_equal(next_boot_protection_name(NEXT_BOOT_PROTECTION_EFI), "efi");
}

/* GRUB reads such a block, but nothing may be written to it. */
static void test_unfit_block(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        ASSERT_DONE(once(m, "passthrough"));
        assert_int_equal(linkat(m->root.fd, BLOCK, m->root.fd, "boot/copy", 0), 0);
        assert_string_equal(outlook(m).mode, "passthrough");
        assert_int_equal(once(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "more than one name");
        assert_null(strstr(m->refusal.text, "set default-mode"));
        assert_int_equal(cancel(m), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(for_good(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(efi_one_shot_write(&m->root, "plain"), 0);
        assert_int_equal(next_boot_disarm(&m->root), -EOPNOTSUPP);
        /* The other ways are closed all the same. */
        (void)outlook(m);
        assert_string_equal(m->now.efi_mode, "");
        assert_int_equal(count_of(m), BOOT_UNCONFIRMED_MAX);
}

static void assert_only_grub_can_tell(BootMachine *m, const char *why) {
        NextBootOutlook next = outlook(m);

        assert_string_equal(next.mode, "");
        assert_string_equal(next.kind, "unknown");
        assert_said(next.reason, why);
        fake_host_write(m->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        assert_string_equal(outlook(m).kind, "config"); /* GRUB does not read it */
        fake_host_write(m->fake, "boot/grub/grub.cfg", "### vfio-mode environment ###\n");
}

/* GRUB reads through a link and takes any size: nobody knows what it will find there. */
static void test_unfit_blocks_of_other_shapes(void **state) {
        BootMachine *m = *state;
        char bytes[2 * ENV_BLOCK_SIZE] = { 0 };

        boot_machine_prove(m);
        fake_host_write_bytes(m->fake, BLOCK, bytes, sizeof(bytes));
        assert_only_grub_can_tell(m, "has not the size of a boot environment");
        assert_int_equal(cancel(m), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "has not the size of a boot environment");
        assert_int_equal(next_boot_disarm(&m->root), -EOPNOTSUPP);

        fake_host_remove(m->fake, BLOCK);
        boot_machine_link(m, "elsewhere", BLOCK);
        assert_only_grub_can_tell(m, "is a symbolic link");
        assert_int_equal(cancel(m), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "is a symbolic link");
        assert_int_equal(once(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "is a symbolic link");
        assert_int_equal(for_good(m, "host"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(next_boot_disarm(&m->root), -EOPNOTSUPP);
}

/* As where a service's sandbox does not let it be made. */
static void test_no_directory(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        fake_host_remove(m->fake, BLOCK);
        fake_host_remove(m->fake, "boot/grub/vfio-mode");
        boot_machine_link(m, "gone", "boot/grub/vfio-mode");
        assert_int_equal(once(m, "passthrough"), REFUSAL_FAILED);
        assert_said(m->refusal.text, "directory /boot/grub/vfio-mode is gone");
        assert_said(m->refusal.text, "Run \"update-grub\", which makes both.");
}

/* What is there and cannot be read is made by nobody, so that nobody is sent to have it made. */
static void test_unreadable(void **state) {
        static const char why[] =
                "The boot environment /" BLOCK " cannot be read: Not a directory.";
        const NextBootOptions options = { .without_protection = true };
        BootMachine *m = *state;

        boot_machine_prove(m);
        fake_host_remove(m->fake, BLOCK);
        fake_host_remove(m->fake, "boot/grub/vfio-mode");
        fake_host_write(m->fake, "boot/grub/vfio-mode", "");
        assert_int_equal(once_with(m, "passthrough", &options), REFUSAL_FAILED);
        assert_string_equal(m->refusal.text, why);
        assert_int_equal(for_good_with(m, "passthrough", &options), REFUSAL_FAILED);
        assert_string_equal(m->refusal.text, why);
        assert_int_equal(once(m, "host"), REFUSAL_FAILED);
        assert_string_equal(m->refusal.text, why);
        assert_int_equal(for_good(m, "host"), REFUSAL_FAILED);
        assert_string_equal(m->refusal.text, why);
        assert_int_equal(cancel(m), REFUSAL_FAILED);
        assert_string_equal(m->refusal.text, why);
}

/* The way out that is named must be one. */
static void test_default_by_the_configuration(void **state) {
        BootMachine *m = *state;

        without_a_place(m);
        assert_int_equal(for_good(m, "plain"), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "Set default-mode = plain");
        assert_int_equal(for_good(m, "passthrough"), REFUSAL_NOT_SUPPORTED);
        assert_null(strstr(m->refusal.text, "default-mode"));
        assert_said(m->refusal.text, "By hand, for one boot: press e");
}

/* --- what cannot be written --- */

/* Nothing can be written; then a power cut's half of it. */
static void test_disk_full(void **state) {
        BootMachine *m = *state;
        RefusalKind kind;

        boot_machine_prove(m);
        boot_machine_limit_files(0);
        kind = once(m, "passthrough");
        boot_machine_limit_files(RLIM_INFINITY);
        assert_int_equal(kind, REFUSAL_FAILED);
        assert_said(m->refusal.text, "The boot environment /" BLOCK " cannot be written: File too");
        assert_next(m, "host", "config");
        boot_machine_limit_files(128);
        kind = once(m, "passthrough");
        boot_machine_limit_files(RLIM_INFINITY);
        assert_int_equal(kind, REFUSAL_FAILED);
        assert_said(m->refusal.text, "does not hold what was written to it");
        ASSERT_BOOTS("host");
        fake_host_remove(m->fake, BLOCK);
        boot_machine_limit_files(0);
        kind = once(m, "passthrough");
        boot_machine_limit_files(RLIM_INFINITY);
        assert_int_equal(kind, REFUSAL_FAILED);
        assert_said(m->refusal.text, "cannot be made: File too large");
        boot_machine_limit_files(0);
        kind = (RefusalKind)next_boot_disarm(&m->root);
        boot_machine_limit_files(RLIM_INFINITY);
        assert_true((int)kind < 0);
}

static void test_record_unwritable(void **state) {
        BootMachine *m = *state;
        RefusalKind kind;

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        ASSERT_BOOTS("passthrough");
        boot_machine_limit_files(0);
        kind = cancel(m);
        boot_machine_limit_files(RLIM_INFINITY);
        assert_int_equal(kind, REFUSAL_FAILED);
        assert_said(m->refusal.text, "The count of unconfirmed boots");
        boot_machine_limit_files(0);
        kind = confirm(m);
        boot_machine_limit_files(RLIM_INFINITY);
        assert_int_equal(kind, REFUSAL_FAILED);
        assert_said(m->refusal.text, "The boot's record");
        assert_int_equal(count_of(m), 1);
}

/* --- more sentences --- */

static void test_sentences(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        ASSERT_DONE(once(m, "plain"));
        assert_said(m->answer.text,
                    "after it, to 'passthrough' if it was confirmed, else to 'host'");
        ASSERT_DONE(for_good(m, "plain"));
        ASSERT_BOOTS("plain");
        ASSERT_DONE(confirm(m));
        ASSERT_UNCHANGED(cancel(m));
        assert_said(m->answer.text, "Nothing is armed for one boot. The default stays: 'plain'.");
        ASSERT_DONE(once(m, "host"));
        ASSERT_DONE(cancel(m));
        assert_said(m->answer.text, "Taken back. The default stays: 'plain'.");
        ASSERT_BOOTS("plain");
        fake_host_write(m->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        assert_int_equal(confirm(m), REFUSAL_NOT_SUPPORTED);
        assert_said(m->refusal.text, "has lost vfio-mode's script");
}

static void test_efi_to_an_unknown_mode(void **state) {
        BootMachine *m = *state;

        assert_int_equal(efi_one_shot_write(&m->root, "gaming"), 0);
        assert_said(outlook(m).reason, "'gaming', which the configuration does not have");
        assert_next(m, "host", "efi");
}

static void test_disarm_without_a_record(void **state) {
        BootMachine *m = *state;

        boot_machine_prove(m);
        boot_machine_config(m, DEFAULT_PASSTHROUGH);
        without_a_place(m);
        fake_host_remove(m->fake, BOOT_RECORD_PATH);
        assert_int_equal(next_boot_disarm(&m->root), 0);
        assert_next(m, "host", "count");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("an unknown mode", test_unknown_mode),
                ON_MACHINE("GRUB has not been seen yet", test_not_seen_yet),
                ON_MACHINE("without protection", test_without_protection),
                ON_MACHINE("grub.cfg without our script", test_no_script),
                ON_MACHINE("grub.cfg that says why it is without our script",
                           test_no_script_for_a_reason),
                ON_MACHINE("GRUB cannot write", test_unwritable),
                ON_MACHINE("a damaged block", test_damaged),
                ON_MACHINE("a command line that would be cut", test_too_long),
                ON_MACHINE("a command line that is one byte too long", test_one_too_long),
                ON_MACHINE("by the EFI variable", test_efi),
                ON_MACHINE("by the EFI variable, away from default-mode",
                           test_efi_and_default_mode),
                ON_MACHINE("nothing carries a mode", test_nothing_carries),
                ON_MACHINE("LVM without an ESP or EFI variables", test_lvm_alone),
                ON_MACHINE("no EFI variable behind a damaged block", test_efi_behind_a_block),
                ON_MACHINE("the EFI variable behind an idle block", test_efi_for_an_idle_block),
                ON_MACHINE("the EFI variable before a block", test_efi_before_a_block),
                ON_MACHINE("a default that was killed in the middle", test_default_was_killed),
                ON_MACHINE("disarmed", test_disarm),
                ON_MACHINE("disarmed, and default-mode is another", test_disarm_default_mode),
                ON_MACHINE("reading what is not there", test_read),
                ON_MACHINE("no configuration", test_no_configuration),
                ON_MACHINE("a block that may not be written any more", test_unfit_block),
                ON_MACHINE("a block of another shape", test_unfit_blocks_of_other_shapes),
                ON_MACHINE("no directory for the block", test_no_directory),
                ON_MACHINE("a block that cannot be read", test_unreadable),
                ON_MACHINE("a default by the configuration", test_default_by_the_configuration),
                ON_MACHINE("a disk that is full", test_disk_full),
                ON_MACHINE("a record that cannot be written", test_record_unwritable),
                ON_MACHINE("more sentences", test_sentences),
                ON_MACHINE("an EFI variable with an unknown mode", test_efi_to_an_unknown_mode),
                ON_MACHINE("disarmed without a record", test_disarm_without_a_record),
        };

        return cmocka_run_group_tests_name("next-boot-limits", tests, NULL, NULL);
}
