/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs boot and confirm on a machine with GRUB: what a boot leaves for the boots after it. */
#undef NDEBUG
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "apply/verbs.h"
#include "base/file.h"
#include "boot/boot-history.h"
#include "boot/boot-loader.h"
#include "boot/efi-one-shot.h"
#include "boot/env-file.h"
#include "fake-pc.h"
#include "host/state-files.h"
#include "table.h"

#define GPU "0000:01:00.0"
#define BLOCK "boot/grub/vfio-mode/vfio-mode.env"
#define PANIC "proc/sys/kernel/panic"
#define EFI_VARIABLE EFI_VARIABLES_DIR "/" EFI_ONE_SHOT_NAME
#define BOOT_ID_1 "11111111-1111-1111-1111-111111111111"
#define BOOT_ID_2 "22222222-2222-2222-2222-222222222222"
#define BOOT_ID_3 "33333333-3333-3333-3333-333333333333"

static bool keeps_variables;

/* In the place of libc's: a firmware may refuse. */
int unlinkat(int fd, const char *path, int flags) {
        if (keeps_variables && strcmp(path, EFI_VARIABLE) == 0) {
                errno = EIO;
                return -1;
        }
        return (int)syscall(SYS_unlinkat, fd, path, flags);
}

static void configure(FakePC *pc, const char *default_mode, const char *confirm) {
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "[general]\ndefault-mode = %s\n[device gpu]\naddress = " GPU "\n"
                       "consent = boot-vga\n"
                       "[mode passthrough]\nvfio-devices = gpu\ncmdline = nosmt\nconfirm = %s\n",
                       default_mode, confirm);
        fake_host_write(pc->fake, "etc/vfio-mode.ini", text);
}

static int set_up(void **state) {
        FakePC *pc = fake_pc_new();

        fake_host_add_gpu(pc->fake, GPU, .group = 1, .driver = "nvidia", .boot_vga = true);
        fake_host_write(pc->fake, "proc/self/mountinfo",
                        "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
        fake_host_write(pc->fake, "sys/devices/pci0000:00/block/sda/sda1/partition", "1\n");
        fake_host_write(pc->fake, "sys/dev/block/README", "");
        fake_host_write(pc->fake, "boot/grub/grub.cfg", GRUB_SCRIPT_MARK "\n");
        configure(pc, "host", "boot");
        assert_int_equal(symlinkat("../../devices/pci0000:00/block/sda/sda1", pc->root.fd,
                                   "sys/dev/block/8:1"),
                         0);
        *state = pc;
        return 0;
}

/* The machine goes off and on again: what lies in /run and the cards' drivers are as new. */
static RefusalKind boot(FakePC *pc, const char *boot_id, const char *cmdline) {
        char text[64];

        if (fake_host_exists(pc->fake, "run"))
                fake_host_remove(pc->fake, "run");
        fake_host_write(pc->fake, "run/README", "");
        fake_host_set_driver(pc->fake, GPU, "");
        fake_host_set_override(pc->fake, GPU, "");
        (void)snprintf(text, sizeof(text), "%s\n", boot_id);
        fake_host_write(pc->fake, "proc/sys/kernel/random/boot_id", text);
        fake_host_write(pc->fake, "proc/cmdline", cmdline);
        return apply_boot(&pc->root);
}

static const BootRecord *record(FakePC *pc) {
        (void)memset(&pc->record, 0x5a, sizeof(pc->record));
        assert_int_equal(boot_record_read(&pc->root, BOOT_RECORD_PATH, &pc->record), 0);
        return &pc->record;
}

static void arm(FakePC *pc, const BootState *state) {
        EnvBlock block;

        assert_int_equal(boot_state_format(state, &block), 0);
        fake_host_write_bytes(pc->fake, BLOCK, block.bytes, sizeof(block.bytes));
}

static BootState read_block(FakePC *pc) {
        BootState state;

        assert_int_equal(env_file_read(&pc->root, BLOCK, &state), 0);
        return state;
}

/* --- boot --- */

static void test_record_of_a_boot(void **state) {
        FakePC *pc = *state;

        assert_int_equal(boot(pc, BOOT_ID_1, "vfio_mode=passthrough vfio_mode.boot=trial.7.0\n"),
                         REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        assert_string_equal(record(pc)->boot_id, BOOT_ID_1);
        assert_int_equal(pc->record.source, BOOT_SOURCE_CMDLINE);
        assert_int_equal(pc->record.marker.kind, BOOT_KIND_TRIAL);
        assert_string_equal(pc->record.wanted, "passthrough");
        assert_string_equal(pc->record.mode, "passthrough");
        assert_int_equal(pc->record.kind, REFUSAL_NONE);
        assert_false(pc->record.confirmed);
        assert_false(pc->record.repeated);

        assert_int_equal(boot(pc, BOOT_ID_2, "vfio_mode=fallback vfio_mode.boot=expired.7.0\n"),
                         REFUSAL_NONE);
        assert_string_equal(record(pc)->mode, "host");
        assert_non_null(strstr(pc->record.reason, "trial of 'passthrough' was not confirmed"));
        assert_int_equal(boot_record_read(&pc->root, BOOT_RECORD_PREVIOUS_PATH, &pc->record), 0);
        assert_string_equal(pc->record.boot_id, BOOT_ID_1);
}

static void test_kexec_is_a_repeated_boot(void **state) {
        FakePC *pc = *state;
        const char *cmdline = "vfio_mode=passthrough vfio_mode.boot=trial.7.0\n";

        assert_int_equal(boot(pc, BOOT_ID_1, cmdline), REFUSAL_NONE);
        assert_int_equal(boot(pc, BOOT_ID_2, cmdline), REFUSAL_NONE);
        assert_true(record(pc)->repeated);
}

static void test_two_unconfirmed_boots(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "manual");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        assert_int_equal(record(pc)->unconfirmed, 1);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        /* The unit runs a second time in the same boot: not counted again, nor taken back. */
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        assert_int_equal(record(pc)->unconfirmed, 1);
        fake_host_remove(pc->fake, "sys/class/iommu");
        fake_host_set_driver(pc->fake, GPU, "");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NO_IOMMU);
        assert_int_equal(record(pc)->unconfirmed, 1);
        fake_host_write(pc->fake, "sys/class/iommu/dmar0/intel-iommu/version", "1:0\n");
        assert_int_equal(boot(pc, BOOT_ID_2, "ro\n"), REFUSAL_NONE);
        assert_int_equal(record(pc)->unconfirmed, 2);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(boot(pc, i ? BOOT_ID_1 : BOOT_ID_3, "ro\n"), REFUSAL_NONE);
                assert_string_equal(record(pc)->mode, "host");
                assert_string_equal(pc->record.wanted, "passthrough");
                assert_non_null(strstr(pc->record.reason, "not confirmed"));
                fake_pc_check_driver(pc, GPU, "");
        }
}

static void test_a_refused_boot_does_not_count(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "manual");
        fake_host_remove(pc->fake, "sys/class/iommu");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NO_IOMMU);
        assert_string_equal(record(pc)->mode, "host");
        assert_int_equal(pc->record.kind, REFUSAL_NO_IOMMU);
        assert_int_equal(pc->record.unconfirmed, 0);
}

static bool is_held(FakePC *pc) {
        RunState *now = calloc(1, sizeof(*now));
        bool held;

        assert_int_equal(state_read(&pc->root, now), 0);
        held = now->hold.since > 0;
        free(now);
        return held;
}

/* What somebody chose is held, and what a failure led to; what a boot goes to by itself is not. */
static void test_what_a_boot_holds(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "manual");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        assert_false(is_held(pc));
        assert_int_equal(boot(pc, BOOT_ID_2, "vfio_mode=passthrough\n"), REFUSAL_NONE);
        assert_true(is_held(pc));
        configure(pc, "host", "manual");
        assert_int_equal(boot(pc, BOOT_ID_3, "ro\n"), REFUSAL_NONE);
        assert_false(is_held(pc));
        assert_int_equal(boot(pc, BOOT_ID_1, "vfio_mode=passthrough vfio_mode.boot=once.7.0\n"),
                         REFUSAL_NONE);
        assert_true(is_held(pc));
        assert_int_equal(boot(pc, BOOT_ID_2, "ro\n"), REFUSAL_NONE);
        assert_false(is_held(pc));
        fake_host_remove(pc->fake, "sys/class/iommu");
        assert_int_equal(boot(pc, BOOT_ID_3, "vfio_mode=passthrough vfio_mode.boot=once.7.0\n"),
                         REFUSAL_NO_IOMMU);
        assert_string_equal(record(pc)->mode, "host");
        assert_true(is_held(pc));
}

static void test_no_var_lib(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "manual");
        fake_host_remove(pc->fake, "var/lib");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_UNPROTECTED);
        fake_pc_check_driver(pc, GPU, "");
        assert_true(fake_host_exists(pc->fake, BOOT_RECORD_RUN_PATH));

        /* Once it is there, the confirm unit brings the record over. */
        fake_host_write(pc->fake, "var/lib/README", "");
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        assert_int_equal(record(pc)->kind, REFUSAL_UNPROTECTED);
        assert_string_equal(pc->record.boot_id, BOOT_ID_1);
        assert_non_null(strstr(pc->record.reason, "set-default"));
        assert_false(fake_host_exists(pc->fake, BOOT_RECORD_RUN_PATH));
}

static void test_var_lib_that_cannot_be_written(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "manual");
        fake_host_write(pc->fake, STATE_DIR, "not a directory");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_UNPROTECTED);
        fake_pc_check_driver(pc, GPU, "");
        /* What the command line names needs no count. */
        assert_int_equal(boot(pc, BOOT_ID_2, "vfio_mode=passthrough\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
}

static void test_a_damaged_record(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "manual");
        fake_host_write(pc->fake, BOOT_RECORD_PATH, "\x01\x02");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_UNPROTECTED);
        assert_string_equal(record(pc)->mode, "host");
        assert_int_equal(boot(pc, BOOT_ID_2, "ro\n"), REFUSAL_NONE);
        assert_string_equal(record(pc)->mode, "passthrough");
}

static void write_variable(FakePC *pc, const char *mode) {
        char bytes[64] = "\7\0\0";

        (void)memcpy(bytes + 4, mode, strlen(mode));
        fake_host_write_bytes(pc->fake, EFI_VARIABLE, bytes, 4 + strlen(mode));
}

static void test_one_shot(void **state) {
        FakePC *pc = *state;

        write_variable(pc, "passthrough");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        assert_int_equal(record(pc)->source, BOOT_SOURCE_EFI);
        assert_false(fake_host_exists(pc->fake, EFI_VARIABLE));

        /* Deleted whatever decides, and also where there is no configuration that can be used. */
        write_variable(pc, "passthrough");
        assert_int_equal(boot(pc, BOOT_ID_2, "vfio_mode=host\n"), REFUSAL_NONE);
        assert_false(fake_host_exists(pc->fake, EFI_VARIABLE));
        write_variable(pc, "passthrough");
        fake_host_write(pc->fake, "etc/vfio-mode.ini", "[no such section]\n");
        assert_int_equal(boot(pc, BOOT_ID_3, "ro\n"), REFUSAL_CONFIG_INVALID);
        assert_false(fake_host_exists(pc->fake, EFI_VARIABLE));
        assert_int_equal(record(pc)->kind, REFUSAL_CONFIG_INVALID);
        assert_string_equal(pc->record.mode, "");
        write_variable(pc, "passthrough");
        fake_host_remove(pc->fake, "etc/vfio-mode.ini");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_CONFIG_INVALID);
        fake_pc_check_driver(pc, GPU, "");
        assert_false(fake_host_exists(pc->fake, EFI_VARIABLE));
}

/* "systemctl restart vfio-mode-boot", after the next boot was armed. */
static void test_one_shot_and_a_second_run(void **state) {
        FakePC *pc = *state;

        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        write_variable(pc, "passthrough");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "");
        assert_true(fake_host_exists(pc->fake, EFI_VARIABLE));

        assert_int_equal(boot(pc, BOOT_ID_2, "ro\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        assert_int_equal(record(pc)->source, BOOT_SOURCE_EFI);
        assert_int_equal(boot(pc, BOOT_ID_3, "ro\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "");
}

static void test_one_shot_that_stays(void **state) {
        FakePC *pc = *state;

        /* A directory in its place can neither be read nor unlinked. */
        fake_host_write(pc->fake, EFI_VARIABLE "/x", "");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NOT_SUPPORTED);
        fake_pc_check_driver(pc, GPU, "");
        assert_string_equal(record(pc)->mode, "host");
}

/* One that is read and cannot be deleted would decide every boot from now on. */
static void test_one_shot_that_is_not_deleted(void **state) {
        FakePC *pc = *state;
        RefusalKind kind;

        write_variable(pc, "passthrough");
        keeps_variables = true;
        kind = boot(pc, BOOT_ID_1, "ro\n");
        keeps_variables = false;
        assert_int_equal(kind, REFUSAL_NOT_SUPPORTED);
        assert_true(fake_host_exists(pc->fake, EFI_VARIABLE));
        fake_pc_check_driver(pc, GPU, "");
        assert_string_equal(record(pc)->mode, "host");
}

/* --- a kernel that panics --- */

static void check_panic(FakePC *pc, const char *expected) {
        char text[16];

        assert_true(file_read_line_at(pc->root.fd, PANIC, text, sizeof(text)) >= 0);
        assert_string_equal(text, expected);
}

static void test_panic_reboots(void **state) {
        FakePC *pc = *state;

        fake_host_write(pc->fake, PANIC, "0\n");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        check_panic(pc, "0");
        configure(pc, "passthrough", "manual");
        assert_int_equal(boot(pc, BOOT_ID_2, "ro\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        check_panic(pc, "10");

        /* What somebody has decided stays. */
        fake_host_write(pc->fake, PANIC, "-1\n");
        assert_int_equal(boot(pc, BOOT_ID_3, "vfio_mode=passthrough\n"), REFUSAL_NONE);
        check_panic(pc, "-1");
}

/* --- confirm --- */

static const BootState trial = { .sequence = 7,
                                 .mode = "passthrough",
                                 .arguments = "nosmt panic=10",
                                 .left = 0,
                                 .keep = BOOT_KEEP_TRIAL };

static void boot_trial(FakePC *pc) {
        arm(pc, &trial);
        assert_int_equal(boot(pc, BOOT_ID_1,
                              "vfio_mode=passthrough nosmt panic=10 vfio_mode.boot=trial.7.0\n"),
                         REFUSAL_NONE);
}

static void test_confirm_a_trial(void **state) {
        FakePC *pc = *state;
        BootState after;

        boot_trial(pc);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
                after = read_block(pc);
                assert_int_equal(after.keep, BOOT_KEEP_YES);
                assert_int_equal(after.left, BOOT_LEFT_CONFIRMED);
                assert_true(record(pc)->confirmed);
        }
}

static void test_confirm_leaves_a_manual_trial(void **state) {
        FakePC *pc = *state;
        BootState after;

        configure(pc, "host", "manual");
        boot_trial(pc);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        after = read_block(pc);
        assert_true(boot_state_equal(&after, &trial));
        assert_false(record(pc)->confirmed);
}

/* The guard's word is of this very mode, and since it is on. */
static void test_confirm_by_a_vm(void **state) {
        static const struct {
                const char *mode;
                uint64_t later;
                bool has_settled;
        } words[] = {
                { "passthrough", 0, false },
                { "passthrough", 1, true },
                { "other", 0, true },
                { "passthrough", 0, true },
        };
        RunState *now = calloc(1, sizeof(*now));
        FakePC *pc = *state;

        configure(pc, "host", "vm");
        boot_trial(pc);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        assert_false(record(pc)->confirmed);
        assert_int_equal(state_read(&pc->root, now), 0);
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                VmWatch watch = { .mode_since = now->since + words[i].later,
                                  .phase = VM_THERE,
                                  .since = 1,
                                  .has_settled = words[i].has_settled };
                char text[VM_WATCH_SIZE_MAX];

                (void)strcpy(watch.mode, words[i].mode);
                assert_true(vm_watch_format(&watch, text, sizeof(text)) > 0);
                fake_host_write(pc->fake, VM_WATCH_PATH, text);
                assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
                assert_int_equal(record(pc)->confirmed, i == ARRAY_SIZE(words) - 1);
        }
        free(now);
}

static void test_confirm_leaves_another_mode(void **state) {
        FakePC *pc = *state;
        BootState after;

        boot_trial(pc);
        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_NONE);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        after = read_block(pc);
        assert_true(boot_state_equal(&after, &trial));
        assert_false(record(pc)->confirmed);
}

static void test_confirm_leaves_an_expired_trial(void **state) {
        FakePC *pc = *state;
        BootState after;

        arm(pc, &trial);
        assert_int_equal(boot(pc, BOOT_ID_2, "vfio_mode=fallback vfio_mode.boot=expired.7.0\n"),
                         REFUSAL_NONE);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        after = read_block(pc);
        assert_true(boot_state_equal(&after, &trial));
}

static void test_confirm_the_fallback_mode_as_default(void **state) {
        FakePC *pc = *state;
        const BootState host = { .sequence = 9, .mode = "host", .left = 1, .keep = BOOT_KEEP_YES };
        BootState after;

        configure(pc, "passthrough", "manual");
        arm(pc, &host);
        assert_int_equal(boot(pc, BOOT_ID_1, "vfio_mode=host vfio_mode.boot=default.9.1\n"),
                         REFUSAL_NONE);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        after = read_block(pc);
        assert_int_equal(after.left, BOOT_LEFT_CONFIRMED);
}

static void test_confirm_ends_the_count(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "boot");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        assert_int_equal(record(pc)->unconfirmed, 0);
        assert_true(pc->record.confirmed);
}

static void test_confirm_keeps_the_count_of_failed_boots(void **state) {
        FakePC *pc = *state;

        configure(pc, "passthrough", "manual");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        assert_int_equal(boot(pc, BOOT_ID_2, "ro\n"), REFUSAL_NONE);
        assert_int_equal(boot(pc, BOOT_ID_3, "ro\n"), REFUSAL_NONE);
        assert_string_equal(record(pc)->mode, "host");
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        assert_int_equal(record(pc)->unconfirmed, 2);
}

static void test_confirm_makes_the_block_anew(void **state) {
        FakePC *pc = *state;
        char bytes[ENV_BLOCK_SIZE];
        BootState after;

        assert_int_equal(boot(pc, BOOT_ID_1, "vfio_mode.boot=missing.0.0\n"), REFUSAL_NONE);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        after = read_block(pc);
        assert_string_equal(after.mode, "");
        assert_int_equal(after.left, 1);

        (void)memset(bytes, 'x', sizeof(bytes));
        fake_host_write_bytes(pc->fake, BLOCK, bytes, sizeof(bytes));
        assert_int_equal(boot(pc, BOOT_ID_2, "vfio_mode=fallback vfio_mode.boot=damaged.0.0\n"),
                         REFUSAL_NONE);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        after = read_block(pc);
        assert_string_equal(after.mode, "");
        assert_true(after.sequence != 0);
}

/* What apply_confirm() says on standard error. */
static void confirm_aloud(FakePC *pc, char *said, size_t size) {
        int fds[2], standard_error = dup(STDERR_FILENO);
        ssize_t n;

        assert_int_equal(pipe(fds), 0);
        assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        assert_true(dup2(standard_error, STDERR_FILENO) >= 0);
        (void)close(standard_error);
        (void)close(fds[1]);
        n = read(fds[0], said, size - 1);
        (void)close(fds[0]);
        assert_true(n > 0);
        said[n] = '\0';
}

/* GRUB goes by such a block, and nothing may be written in its place. */
static void test_confirm_says_what_it_cannot_mend(void **state) {
        FakePC *pc = *state;
        char bytes[2 * ENV_BLOCK_SIZE] = { 0 }, said[4096];

        fake_host_write_bytes(pc->fake, BLOCK, bytes, sizeof(bytes));
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NONE);
        confirm_aloud(pc, said, sizeof(said));
        assert_non_null(strstr(said, "has not the size of a boot environment"));
        assert_non_null(strstr(said, "It is not made anew."));

        fake_host_remove(pc->fake, BLOCK);
        arm(pc, &trial);
        assert_int_equal(linkat(pc->root.fd, BLOCK, pc->root.fd, "boot/copy", 0), 0);
        confirm_aloud(pc, said, sizeof(said));
        assert_non_null(strstr(said, "has more than one name"));

        fake_host_remove(pc->fake, BLOCK);
        assert_int_equal(symlinkat("../../copy", pc->root.fd, BLOCK), 0);
        confirm_aloud(pc, said, sizeof(said));
        assert_non_null(strstr(said, "is a symbolic link"));
        assert_true(fake_host_exists(pc->fake, "boot/copy"));

        /* A directory: it can be opened, and is none of ours. */
        fake_host_remove(pc->fake, BLOCK);
        fake_host_write(pc->fake, BLOCK "/x", "");
        confirm_aloud(pc, said, sizeof(said));
        assert_non_null(strstr(said, "is not a plain file"));
}

static void test_confirm_without_the_boot_unit(void **state) {
        FakePC *pc = *state;

        fake_host_write(pc->fake, "proc/sys/kernel/random/boot_id", BOOT_ID_1 "\n");
        fake_host_write(pc->fake, "proc/cmdline", "ro\n");
        assert_int_equal(apply_confirm(&pc->root), REFUSAL_NONE);
        assert_int_equal(record(pc)->source, BOOT_SOURCE_NONE);
        assert_string_equal(pc->record.boot_id, BOOT_ID_1);
}

/* As bootconfig can make it. Whoever asks for the way back does so at its end. */
static void test_endless_cmdline(void **state) {
        char cmdline[5000];
        FakePC *pc = *state;

        (void)memset(cmdline, 'x', sizeof(cmdline));
        (void)snprintf(cmdline + sizeof(cmdline) - 32, 32, " vfio_mode=fallback\n");
        fake_host_write(pc->fake, "etc/vfio-mode.ini",
                        "[general]\ndefault-mode = passthrough\n[device gpu]\naddress = " GPU "\n"
                        "consent = boot-vga\n[mode passthrough]\nvfio-devices = gpu\n");
        assert_int_equal(boot(pc, BOOT_ID_1, cmdline), REFUSAL_FAILED);
        fake_pc_check_driver(pc, GPU, "");
        assert_string_equal(record(pc)->mode, "host");
        assert_non_null(strstr(pc->record.reason, "the kernel command line cannot be read"));
}

/* --- hugepages --- */

/* A boot waits for no memory: what is not there means the fallback mode, and says why. */
static void test_too_few_hugepages(void **state) {
        FakePC *pc = *state;

        fake_host_add_memory(pc->fake, 1024);
        fake_host_write(pc->fake, "sys/kernel/mm/hugepages/hugepages-2048kB/.fake-found", "99\n");
        fake_host_write(pc->fake, "etc/vfio-mode.ini",
                        "[general]\ndefault-mode = passthrough\n[device gpu]\naddress = " GPU "\n"
                        "consent = boot-vga\n"
                        "[mode passthrough]\nvfio-devices = gpu\nhugepages-2M = 100\n");
        assert_int_equal(boot(pc, BOOT_ID_1, "ro\n"), REFUSAL_NO_MEMORY);
        fake_pc_check_driver(pc, GPU, "");
        assert_int_equal(fake_host_pool(pc->fake, "hugepages-2048kB"), 0);
        assert_string_equal(record(pc)->mode, "host");
        assert_non_null(strstr(pc->record.reason, "Only 99 hugepages"));
        assert_int_equal(pc->record.unconfirmed, 0);

        fake_host_remove(pc->fake, "sys/kernel/mm/hugepages/hugepages-2048kB/.fake-found");
        assert_int_equal(boot(pc, BOOT_ID_2, "ro\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        assert_int_equal(fake_host_pool(pc->fake, "hugepages-2048kB"), 100);
}

/* --- disarm --- */

static void test_a_way_back_that_fails_disarms(void **state) {
        FakePC *pc = *state;
        const BootState armed = { .sequence = 9,
                                  .mode = "passthrough",
                                  .arguments = "nosmt panic=10",
                                  .left = 3,
                                  .keep = BOOT_KEEP_YES };
        char mode[CONFIG_NAME_SIZE];
        BootState after;

        arm(pc, &armed);
        assert_int_equal(boot(pc, BOOT_ID_1, "vfio_mode=passthrough\n"), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        fake_host_set_faults(pc->fake, "bind * * * EIO\nprobe * * * EIO\n");
        assert_int_equal(apply_fallback(&pc->root), REFUSAL_HALF_WAY);
        after = read_block(pc);
        (void)boot_state_boot(&after, true, mode, NULL);
        assert_string_equal(mode, "fallback");
}

#define ON_PC(title, function) { (title), (function), set_up, fake_pc_tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_PC("what a boot leaves for the next one", test_record_of_a_boot),
                ON_PC("kexec is a repeated boot", test_kexec_is_a_repeated_boot),
                ON_PC("two unconfirmed boots into default-mode", test_two_unconfirmed_boots),
                ON_PC("a refused boot does not count", test_a_refused_boot_does_not_count),
                ON_PC("what a boot holds", test_what_a_boot_holds),
                ON_PC("no /var/lib in early boot", test_no_var_lib),
                ON_PC("a /var/lib that cannot be written", test_var_lib_that_cannot_be_written),
                ON_PC("a damaged record", test_a_damaged_record),
                ON_PC("the one-shot EFI variable", test_one_shot),
                ON_PC("a one-shot EFI variable, and a second run", test_one_shot_and_a_second_run),
                ON_PC("an EFI variable that cannot be deleted", test_one_shot_that_stays),
                ON_PC("an EFI variable that is not deleted", test_one_shot_that_is_not_deleted),
                ON_PC("a kernel that panics reboots by itself", test_panic_reboots),
                ON_PC("a trial is confirmed, once", test_confirm_a_trial),
                ON_PC("a trial that somebody has to confirm", test_confirm_leaves_a_manual_trial),
                ON_PC("a trial that a VM confirms", test_confirm_by_a_vm),
                ON_PC("another mode by now is not confirmed", test_confirm_leaves_another_mode),
                ON_PC("an expired trial stays", test_confirm_leaves_an_expired_trial),
                ON_PC("the fallback mode as default is confirmed by itself",
                      test_confirm_the_fallback_mode_as_default),
                ON_PC("a confirmed boot ends the count", test_confirm_ends_the_count),
                ON_PC("a boot to the fallback mode does not",
                      test_confirm_keeps_the_count_of_failed_boots),
                ON_PC("a missing or damaged block is made anew", test_confirm_makes_the_block_anew),
                ON_PC("a block that may not be made anew", test_confirm_says_what_it_cannot_mend),
                ON_PC("the boot unit did not run", test_confirm_without_the_boot_unit),
                ON_PC("a command line longer than can be read", test_endless_cmdline),
                ON_PC("too few hugepages at boot", test_too_few_hugepages),
                ON_PC("a way back that fails disarms the next boot",
                      test_a_way_back_that_fails_disarms),
        };

        return cmocka_run_group_tests_name("verbs-boot", tests, NULL, NULL);
}
