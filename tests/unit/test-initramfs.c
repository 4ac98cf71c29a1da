/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the initramfs keeps from host drivers, what the boot unit makes of it, and what is noted of
 * the image. */
#undef NDEBUG
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "../fake/fake-needs.h"
#include "apply/initramfs.h"
#include "apply/inspect.h"
#include "apply/switch.h"
#include "apply/undo-log.h"
#include "apply/verbs.h"
#include "apply/writer.h"
#include "base/clock.h"
#include "base/file.h"
#include "boot/boot-history.h"
#include "boot/efi-one-shot.h"
#include "boot/initramfs-stamp.h"
#include "fake-pc.h"
#include "host/process.h"
#include "host/state-files.h"
#include "host/units.h"
#include "model/host.h"
#include "model/switch-origin.h"
#include "table.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define USB "0000:01:00.2"
#define OTHER "0000:02:00.0"
#define CONFIG "etc/vfio-mode.ini"
#define IMAGE "dracut-6.12.9"
#define EFI_VARIABLE EFI_VARIABLES_DIR "/" EFI_ONE_SHOT_NAME

static void configure(FakePC *pc, const char *general, const char *gpu) {
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "[general]\n%s\n[device gpu]\n%s\n[mode passthrough]\nvfio-devices = gpu\n",
                       general, gpu);
        fake_host_write(pc->fake, CONFIG, text);
}

static int set_up(void **state) {
        FakePC *pc = fake_pc_new();

        fake_host_add_gpu(pc->fake, GPU, .group = 1, .audio = true, .driver = "nvidia",
                          .boot_vga = true);
        fake_host_add_gpu(pc->fake, OTHER, .group = 2, .driver = "nvidia");
        fake_host_set_driver(pc->fake, GPU, "");
        fake_host_set_driver(pc->fake, AUDIO, "");
        fake_host_set_driver(pc->fake, OTHER, "");
        fake_host_write(pc->fake, "proc/self/mountinfo", "");
        fake_host_write(pc->fake, "proc/sys/kernel/random/boot_id",
                        "11111111-1111-1111-1111-111111111111\n");
        fake_host_write(pc->fake, "proc/cmdline", "ro vfio_mode=passthrough\n");
        fake_host_write(pc->fake, ENABLED_BOOT_UNIT, "");
        configure(pc, "", "address = " GPU "\nid = 10de:2484\nconsent = boot-vga");
        *state = pc;
        return 0;
}

static void check_override(FakePC *pc, const char *address, const char *override) {
        char path[128];
        _cleanup_free_ char *text = NULL;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver_override", address);
        text = fake_host_read(pc->fake, path);
        text[strcspn(text, "\n")] = '\0';
        assert_string_equal(strcmp(text, "(null)") == 0 ? "" : text, override);
}

/* --- in the initramfs --- */

/* The kernel's words decide, and default-mode where they do not. */
static void test_which_boots(void **state) {
        static const struct {
                const char *cmdline, *general;
                bool is_kept;
        } rows[] = {
                { "ro vfio_mode=passthrough", "", true },
                { "ro vfio_mode=passthrough vfio_mode.boot=trial.3.0", "default-mode = host",
                  true },
                { "ro vfio_mode=passthrough vfio_mode=fallback", "", false },
                { "ro", "", false },
                { "ro", "default-mode = passthrough", true },
                { "ro vfio_mode=host", "default-mode = passthrough", false },
                { "ro vfio_mode=fallback vfio_mode.boot=expired.3.0", "default-mode = passthrough",
                  false },
                { "ro vfio_mode=nothing", "default-mode = passthrough", false },
                { "ro single", "default-mode = passthrough", false },
                { "ro rd.break", "default-mode = passthrough", false },
        };
        FakePC *pc = *state;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                fake_host_set_override(pc->fake, GPU, "");
                fake_host_set_override(pc->fake, AUDIO, "");
                fake_host_write(pc->fake, "proc/cmdline", rows[i].cmdline);
                configure(pc, rows[i].general,
                          "address = " GPU "\nid = 10de:2484\nconsent = boot-vga");
                assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
                check_override(pc, GPU, rows[i].is_kept ? INITRAMFS_OVERRIDE : "");
                check_override(pc, AUDIO, rows[i].is_kept ? INITRAMFS_OVERRIDE : "");
                check_override(pc, OTHER, "");
                fake_pc_check_driver(pc, GPU, "");
        }
}

/* Read, and left for the boot unit, which deletes it. */
static void test_efi_variable(void **state) {
        static const char variable[] = "\x07\0\0\0passthrough";
        FakePC *pc = *state;

        fake_host_write(pc->fake, "proc/cmdline", "ro\n");
        fake_host_write_bytes(pc->fake, EFI_VARIABLE, variable, sizeof(variable) - 1);
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        check_override(pc, GPU, INITRAMFS_OVERRIDE);
        assert_true(fake_host_exists(pc->fake, EFI_VARIABLE));
}

/* What the boot unit would refuse is left to the host's driver. */
static void test_what_is_refused(void **state) {
        FakePC *pc = *state;

        configure(pc, "", "address = " GPU "\nid = 10de:ffff\nconsent = boot-vga");
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_OTHER_DEVICE_THERE);
        configure(pc, "", "address = 0000:05:00.0");
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NOT_FOUND);
        configure(pc, "", "address = " GPU);
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_DRIVES_THE_CONSOLE);
        configure(pc, "", "addres = " GPU);
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_CONFIG_INVALID);
        fake_host_remove(pc->fake, CONFIG);
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_CONFIG_INVALID);
        configure(pc, "", "address = " GPU "\nconsent = boot-vga");
        fake_host_remove(pc->fake, "sys/class/iommu");
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NO_IOMMU);
        check_override(pc, GPU, "");
        check_override(pc, AUDIO, "");
}

static void test_what_others_have(void **state) {
        FakePC *pc = *state;

        fake_host_set_override(pc->fake, AUDIO, "pci-stub");
        fake_host_set_driver(pc->fake, GPU, "nvidia");
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        check_override(pc, GPU, "");
        check_override(pc, AUDIO, "pci-stub");
        fake_pc_check_driver(pc, GPU, "nvidia");
        /* And a second time, as udev's rule has it. */
        fake_host_set_driver(pc->fake, GPU, "");
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        check_override(pc, GPU, INITRAMFS_OVERRIDE);
}

/* The root file system may come by any of these; and so may somebody's keyboard. */
static void test_what_the_root_may_need(void **state) {
        FakePC *pc = *state;

        fake_host_add_function(pc->fake, "0000:01:00.2", .id = "10de:1ad8", .class_code = 0x0c0330,
                               .group = 1);
        fake_host_add_function(pc->fake, "0000:03:00.0", .id = "144d:a808", .class_code = 0x010802,
                               .group = 3);
        fake_host_add_function(pc->fake, "0000:04:00.0", .id = "8086:10d3", .class_code = 0x020000,
                               .group = 4);
        fake_host_write(pc->fake, CONFIG,
                        "[device gpu]\naddress = " GPU "\nconsent = boot-vga\n"
                        "[device disk]\naddress = 0000:03:00.0\n[device nic]\naddress = "
                        "0000:04:00.0\n[mode passthrough]\nvfio-devices = gpu disk nic\n");
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        check_override(pc, GPU, INITRAMFS_OVERRIDE);
        check_override(pc, AUDIO, INITRAMFS_OVERRIDE);
        check_override(pc, "0000:01:00.2", "");
        check_override(pc, "0000:03:00.0", "");
        check_override(pc, "0000:04:00.0", "");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        fake_pc_check_driver(pc, "0000:01:00.2", "vfio-pci");
        fake_pc_check_driver(pc, "0000:04:00.0", "vfio-pci");
}

/* --- then the boot unit --- */

static void test_boot_goes_on(void **state) {
        FakePC *pc = *state;

        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        check_override(pc, GPU, "vfio-pci");
        check_override(pc, AUDIO, "vfio-pci");
        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "nvidia");
        check_override(pc, GPU, "");
        check_override(pc, AUDIO, "");
}

/* The driver was loaded in the initramfs, and bound to nothing. */
static void keep(FakePC *pc) {
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        check_override(pc, GPU, INITRAMFS_OVERRIDE);
        fake_pc_check_driver(pc, GPU, "");
}

static void test_boot_decides_otherwise(void **state) {
        FakePC *pc = *state;

        keep(pc);
        fake_host_write(pc->fake, "proc/cmdline", "ro vfio_mode=fallback\n");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        check_override(pc, GPU, "");
        fake_pc_check_driver(pc, GPU, "nvidia");
        fake_pc_check_driver(pc, AUDIO, "snd_hda_intel");
}

static void test_boot_refuses(void **state) {
        FakePC *pc = *state;

        keep(pc);
        configure(pc, "", "address = " GPU);
        assert_int_equal(apply_boot(&pc->root), REFUSAL_DRIVES_THE_CONSOLE);
        check_override(pc, GPU, "");
        fake_pc_check_driver(pc, GPU, "nvidia");
}

/* The image's configuration is not the one of the root file system. */
static void test_boot_knows_of_nothing(void **state) {
        FakePC *pc = *state;

        keep(pc);
        configure(pc, "default-mode = host", "address = " OTHER);
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        check_override(pc, GPU, "");
        fake_pc_check_driver(pc, GPU, "nvidia");
        fake_pc_check_driver(pc, AUDIO, "snd_hda_intel");
        fake_pc_check_driver(pc, OTHER, "vfio-pci");
}

static void test_boot_cannot_read_its_configuration(void **state) {
        FakePC *pc = *state;

        keep(pc);
        fake_host_set_override(pc->fake, OTHER, "vfio-pci"); /* somebody else's */
        fake_host_write(pc->fake, CONFIG, "[mode\n");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_CONFIG_INVALID);
        check_override(pc, GPU, "");
        fake_pc_check_driver(pc, GPU, "nvidia");
        fake_pc_check_driver(pc, AUDIO, "snd_hda_intel");
        check_override(pc, OTHER, "vfio-pci");
}

/* --- what does not let itself be let go --- */

static void check_result(FakePC *pc, RefusalKind kind, const char *words) {
        RunResult result;
        BootRecord record;

        assert_int_equal(boot_result_read(&pc->root, &result), 0);
        assert_int_equal(result.kind, kind);
        assert_non_null(strstr(result.text, words));
        assert_int_equal(boot_record_read(&pc->root, BOOT_RECORD_PATH, &record), 0);
        assert_int_equal(record.kind, kind);
}

static RunWriter read_writer(FakePC *pc) {
        RunState *undo = calloc(1, sizeof(*undo));
        RunWriter writer;

        assert_int_equal(undo_read(&pc->root, undo), 0);
        writer = undo->writer;
        free(undo);
        return writer;
}

static void end_writer(const RunWriter *writer) {
        assert_int_equal(kill(writer->pid, SIGKILL), 0);
        assert_int_equal(waitpid(writer->pid, NULL, 0), writer->pid);
}

/* All are released before the first probe(), and sound comes first, so that one that is slow keeps
 * nobody else's driver off. Returns who is at it, whom the log has, and not as one that is stuck.
 */
static RunWriter boot_with_a_slow_driver(FakePC *pc) {
        uint64_t start = now_usec();
        RunWriter writer;

        keep(pc);
        fake_host_add_next_processes(pc->fake);
        fake_host_write(pc->fake, "proc/cmdline", "ro vfio_mode=fallback\n");
        fake_host_set_faults(pc->fake, "probe " GPU " * 1 stall\n");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        assert_int_equal(now_usec() - start, WRITER_EARLY_USEC);
        check_override(pc, GPU, "");
        check_override(pc, AUDIO, "");
        check_result(pc, REFUSAL_NONE, "Booted to 'host'");
        writer = read_writer(pc);
        assert_int_equal(writer.wedged, 0);
        assert_int_equal(writer.write.kind, RUN_WRITE_PROBE);
        assert_int_equal(writer.write.address.function, 0);
        fake_pc_check_driver(pc, AUDIO, "snd_hda_intel");
        assert_true(process_is_there(&pc->root, writer.pid, writer.start));
        return writer;
}

/* What the mode's unit does, that the boot unit has started. */
static RefusalKind switch_to_host(FakePC *pc, SwitchResult *ret) {
        const SwitchRequest request = { .verb = "switch",
                                        .mode = "host",
                                        .source = SOURCE_UNIT,
                                        .reason = "its unit was started",
                                        .without_units = true };
        RefusalKind kind;

        assert_int_equal(setenv(WRITER_DEADLINE_VARIABLE, "1s", 1), 0);
        kind = switch_run(&pc->root, &request, ret);
        assert_int_equal(unsetenv(WRITER_DEADLINE_VARIABLE), 0);
        return kind;
}

static void test_slow_driver(void **state) {
        FakePC *pc = *state;
        RunWriter writer = boot_with_a_slow_driver(pc);
        SwitchResult result;

        fake_host_set_faults(pc->fake, NULL);
        end_writer(&writer);
        assert_int_equal(switch_to_host(pc, &result), REFUSAL_NONE);
        assert_false(fake_host_exists(pc->fake, UNDO_PATH));
}

/* That it is none is seen to as where the switch itself got stuck: once. */
static void test_stuck_driver(void **state) {
        FakePC *pc = *state;
        RunWriter writer = boot_with_a_slow_driver(pc);
        SwitchResult result;

        assert_int_equal(switch_to_host(pc, &result), REFUSAL_WEDGED);
        assert_non_null(strstr(result.run.text, "Still stuck in the kernel"));
        assert_true(result.is_stranded);
        assert_int_equal(result.reboot, REBOOT_NONE);
        assert_true(read_writer(pc).wedged > 0);
        assert_int_equal(switch_to_host(pc, &result), REFUSAL_WEDGED);
        assert_false(result.is_stranded);
        end_writer(&writer);
        assert_int_equal(switch_to_host(pc, &result), REFUSAL_NONE);
        assert_false(fake_host_exists(pc->fake, UNDO_PATH));
}

/* That a driver is stuck is worse than any error of a configuration. */
static void test_boot_gets_stuck_without_config(void **state) {
        FakePC *pc = *state;
        RunWriter writer;

        keep(pc);
        fake_host_write(pc->fake, CONFIG, "[mode\n");
        fake_host_set_faults(pc->fake, "probe * * 1 stall\n");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_WEDGED);
        check_override(pc, AUDIO, "");
        check_result(pc, REFUSAL_WEDGED, "Stuck in the kernel");
        writer = read_writer(pc);
        end_writer(&writer);
}

static void test_boot_cannot_let_go(void **state) {
        FakePC *pc = *state;

        keep(pc);
        configure(pc, "default-mode = host", "address = " OTHER);
        fake_host_write(pc->fake, "proc/cmdline", "ro\n");
        fake_host_set_faults(pc->fake, "probe " GPU " * * EIO\n");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_FAILED);
        fake_pc_check_driver(pc, AUDIO, "snd_hda_intel");
        check_result(pc, REFUSAL_FAILED, GPU ", which the initramfs kept");
        assert_false(fake_host_exists(pc->fake, UNDO_PATH));
}

/* A write of the switch is stuck at one function; the others are let go all the same. */
static void test_switch_gets_stuck(void **state) {
        FakePC *pc = *state;
        RunWriter writer;

        keep(pc);
        fake_host_add_next_processes(pc->fake);
        fake_host_set_override(pc->fake, OTHER, INITRAMFS_OVERRIDE);
        fake_host_set_faults(pc->fake, "bind " GPU " vfio-pci 1 stall\n"
                                       "probe " GPU " * 1 stall\n");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_WEDGED);
        writer = read_writer(pc);
        assert_true(run_write_has_address(&writer.write));
        check_override(pc, OTHER, "");
        fake_pc_check_driver(pc, OTHER, "nvidia");
        check_result(pc, REFUSAL_WEDGED, GPU);
        end_writer(&writer);
}

/* Its function's override is not even read, which would wait for the same lock. */
static void test_stuck_function_is_passed_over(void **state) {
        FakePC *pc = *state;
        char process[64], lines[256];
        UndoLog undo;
        InitramfsKept kept;
        uint64_t start;
        int n;

        keep(pc);
        /* The test itself is a process that is there. */
        (void)snprintf(process, sizeof(process), "/proc/%d", (int)getpid());
        assert_int_equal(symlinkat(process, pc->root.fd, process + 1), 0);
        assert_int_equal(process_start(&pc->root, (int)getpid(), &start), 0);
        n = snprintf(lines, sizeof(lines),
                     "writer=%d %" PRIu64 "\nwrite=bind " GPU " vfio-pci\nwedged=1\n",
                     (int)getpid(), start);
        assert_int_equal(undo_log_open(&pc->root, "host", "passthrough", NULL, &undo), 0);
        assert_int_equal(undo_log_append(&undo, lines, (size_t)n), 0);
        undo_log_close(&undo);
        initramfs_release(&pc->root, now_usec(), "host", &kept);
        assert_int_equal(kept.n, 1);
        check_override(pc, GPU, INITRAMFS_OVERRIDE);
        check_override(pc, AUDIO, "");
}

/* The unit's own time: no write begins after 3.8 s of it. */
static void test_no_time_is_left(void **state) {
        FakePC *pc = *state;
        InitramfsKept kept;

        keep(pc);
        initramfs_release(&pc->root, now_usec() - 3000000, "host", &kept);
        assert_int_equal(kept.refusal.kind, REFUSAL_NONE);
        check_override(pc, GPU, "");
        initramfs_probe(&pc->root, now_usec() - 3800000, "host", &kept);
        assert_int_equal(kept.refusal.kind, REFUSAL_FAILED);
        fake_pc_check_driver(pc, GPU, "");
}

/* Something for the boot unit to go by, where there is no configuration any more: also when /run is
 * a new one by then, as with initramfs-tools. */
static void test_mark(void **state) {
        FakePC *pc = *state;

        fake_host_write(pc->fake, "proc/cmdline", "ro\n");
        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        assert_false(fake_host_exists(pc->fake, INITRAMFS_KEPT_PATH));
        fake_host_write(pc->fake, "proc/cmdline", "ro vfio_mode=passthrough\n");
        keep(pc);
        assert_true(fake_host_exists(pc->fake, INITRAMFS_KEPT_PATH));
        fake_host_remove(pc->fake, RUN_DIR);
        keep(pc);
        assert_true(fake_host_exists(pc->fake, INITRAMFS_KEPT_PATH));
}

/* The boot unit was switched off meanwhile: a switch brings it back all the same. */
static void test_switch_without_a_boot_unit(void **state) {
        FakePC *pc = *state;

        assert_int_equal(apply_initramfs(&pc->root), REFUSAL_NONE);
        assert_int_equal(apply_switch(&pc->root, "host", true), REFUSAL_NONE);
        check_override(pc, GPU, "");
        fake_pc_check_driver(pc, GPU, "nvidia");
}

/* --- the image --- */

static void test_names_of_images(void **state) {
        static const char *const bad[] = { "",         "dracut",    "dracut-", "dracut-../x",
                                           "dracut-.", "booster-6", "6.12.9" };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_null(initramfs_tool_of(bad[i]));
        assert_string_equal(initramfs_tool_of("initramfs-tools-6.12")->renew,
                            "update-initramfs -u -k all");
        assert_string_equal(initramfs_tool_of("dracut-6.12")->name, "dracut");
        assert_string_equal(initramfs_tool_of("mkinitcpio-6.12")->name, "mkinitcpio");
}

static const Check *find_check(const Inspection *inspection) {
        for (size_t i = 0; i < inspection->n_checks; i++)
                if (strcmp(inspection->checks[i].id, "initramfs") == 0)
                        return &inspection->checks[i];
        return NULL;
}

/* Returns false where there is no such check. */
static bool look(FakePC *pc, CheckResult *ret_result, char *ret_words, size_t size) {
        _cleanup_free_ Inspection *inspection = calloc(1, sizeof(*inspection));
        const Check *check;

        assert_int_equal(inspect(&pc->root, "passthrough", inspection), 0);
        check = find_check(inspection);
        if (!check)
                return false;
        *ret_result = check->result;
        (void)snprintf(ret_words, size, "%s %s", check->message, check->advice);
        return true;
}

static void check_is(FakePC *pc, CheckResult result, const char *words) {
        CheckResult is;
        char said[1024];

        assert_true(look(pc, &is, said, sizeof(said)));
        assert_int_equal(is, result);
        assert_non_null(strstr(said, words));
}

static void test_stale_image(void **state) {
        FakePC *pc = *state;
        CheckResult result;
        char said[1024];

        assert_false(look(pc, &result, said, sizeof(said)));
        fake_host_write(pc->fake, "lib/modules/6.12.9/modules.builtin", "");
        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_NONE);
        check_is(pc, CHECK_PASS, "made with this configuration");
        fake_host_write(pc->fake, "etc/vfio-mode.ini.d/more.ini", "# a word\n");
        check_is(pc, CHECK_WARN, "dracut --force --regenerate-all");
        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_NONE);
        check_is(pc, CHECK_PASS, "made with this configuration");
        /* A kernel that was not made anew, and one that is gone. */
        fake_host_write(pc->fake, INITRAMFS_DIR "/mkinitcpio-6.1.0", "");
        check_is(pc, CHECK_PASS, "made with this configuration");
        fake_host_write(pc->fake, "lib/modules/6.1.0/modules.builtin", "");
        check_is(pc, CHECK_WARN, "mkinitcpio-6.1.0");
        check_is(pc, CHECK_WARN, "mkinitcpio -P");
        /* One without any; and the rest of one that is gone. */
        fake_host_remove(pc->fake, INITRAMFS_DIR "/mkinitcpio-6.1.0");
        check_is(pc, CHECK_WARN, "dracut-6.1.0");
        check_is(pc, CHECK_WARN, "dracut --force --regenerate-all");
        assert_int_equal(apply_initramfs_files(&pc->root, "initramfs-tools-6.1.0"), REFUSAL_NONE);
        check_is(pc, CHECK_PASS, "made with this configuration");
        fake_host_write(pc->fake, "lib/modules/5.10.0/modules.dep", "");
        check_is(pc, CHECK_PASS, "made with this configuration");
        /* Nobody would go on with it. */
        fake_host_remove(pc->fake, ENABLED_BOOT_UNIT);
        check_is(pc, CHECK_FAIL, "systemctl enable vfio-mode-boot.service");
}

/* What was noted, and then there was no room for the image. */
static void test_image_that_was_not_written(void **state) {
        static const char *const images[][2] = {
                { "initramfs-tools-6.12.9", "boot/initrd.img-6.12.9" },
                { "dracut-6.12.9", "boot/initramfs-6.12.9.img" },
        };
        struct timespec times[] = { { 0, UTIME_OMIT }, { time(NULL) - 60, 0 } };
        FakePC *pc = *state;

        fake_host_write(pc->fake, "lib/modules/6.12.9/modules.builtin", "");
        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
                fake_host_write(pc->fake, images[i][1], "");
                assert_int_equal(apply_initramfs_files(&pc->root, images[i][0]), REFUSAL_NONE);
                check_is(pc, CHECK_PASS, "made with this configuration");
                assert_int_equal(utimensat(pc->root.fd, images[i][1], times, 0), 0);
                check_is(pc, CHECK_WARN, images[i][0]);
                fake_host_write(pc->fake, images[i][1], "");
        }
}

/* Nothing goes into an image that nobody would go on with. */
static void test_no_image(void **state) {
        FakePC *pc = *state;

        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_NONE);
        assert_true(fake_host_exists(pc->fake, INITRAMFS_DIR "/" IMAGE));
        fake_host_remove(pc->fake, ENABLED_BOOT_UNIT);
        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_NOT_SUPPORTED);
        assert_false(fake_host_exists(pc->fake, INITRAMFS_DIR "/" IMAGE));
        fake_host_write(pc->fake, ENABLED_BOOT_UNIT, "");
        fake_host_write(pc->fake, CONFIG, "[mode\n");
        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_CONFIG_INVALID);
        assert_int_equal(apply_initramfs_files(&pc->root, "6.12.9"), REFUSAL_NOT_SUPPORTED);
}

/* The root of the machine is on a logical volume, on a partition of what dm-crypt has opened; or in
 * btrfs on that. */
static void encrypt_root(FakePC *pc, const char *mount) {
        fake_host_write(pc->fake, "proc/self/mountinfo", mount);
        fake_host_write(pc->fake, "sys/class/block/dm-1/dm/uuid", "LVM-abc\n");
        fake_host_write(pc->fake, "sys/class/block/dm-1/slaves/dm-0/dev", "");
        fake_host_write(pc->fake, "sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-0-root\n");
        fake_host_write(pc->fake, "sys/class/block/dm-0/slaves/sda1/dev", "");
}

static CheckResult passphrase(FakePC *pc) {
        _cleanup_free_ Inspection *inspection = calloc(1, sizeof(*inspection));

        assert_int_equal(inspect(&pc->root, "passthrough", inspection), 0);
        for (size_t i = 0; i < inspection->n_checks; i++)
                if (strcmp(inspection->checks[i].id, "passphrase") == 0)
                        return inspection->checks[i].result;
        return _CHECK_RESULT_MAX; /* there is nothing to say */
}

static void test_passphrase(void **state) {
        FakePC *pc = *state;

        fake_host_link(pc->fake, "sys/dev/block/254:1", "../../class/block/dm-1");
        fake_host_link(pc->fake, "dev/mapper/root", "../dm-0");
        encrypt_root(pc, "25 1 254:1 / / rw shared:1 - ext4 /dev/mapper/vg-root rw\n");
        assert_int_equal(passphrase(pc), _CHECK_RESULT_MAX);
        fake_host_write(pc->fake, "lib/modules/6.12.9/modules.builtin", "");
        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_NONE);
        assert_int_equal(passphrase(pc), CHECK_WARN);
        fake_host_write(pc->fake, "proc/cmdline", "ro initcall_blacklist=sysfb_init\n");
        assert_int_equal(passphrase(pc), CHECK_FAIL);
        encrypt_root(pc, "25 1 0:30 /@ / rw shared:1 - btrfs /dev/mapper/root rw\n");
        assert_int_equal(passphrase(pc), CHECK_FAIL);
        fake_host_write(pc->fake, "sys/class/block/dm-0/dm/uuid", "LVM-abc\n");
        assert_int_equal(passphrase(pc), CHECK_PASS);
        /* What cannot be known is not said to be good. */
        fake_host_write(pc->fake, "proc/self/mountinfo", "");
        assert_int_equal(passphrase(pc), CHECK_WARN);
        encrypt_root(pc, "25 1 0:30 / / rw shared:1 - zfs rpool/ROOT/debian rw\n");
        assert_int_equal(passphrase(pc), CHECK_WARN);
        fake_host_remove(pc->fake, "sys/class/block/dm-0/dm/uuid");
        fake_host_write(pc->fake, "sys/class/block/dm-0/dm/uuid/x", "");
        fake_host_write(pc->fake, "proc/self/mountinfo",
                        "25 1 0:30 /@ / rw shared:1 - btrfs /dev/mapper/root rw\n");
        assert_int_equal(passphrase(pc), CHECK_WARN);
        fake_host_remove(pc->fake, "sys/class/block/dm-0/dm/uuid");
        encrypt_root(pc, "25 1 0:30 / / rw shared:1 - bcachefs /dev/mapper/root rw\n");
        assert_int_equal(passphrase(pc), CHECK_WARN);
}

static void test_driver_of_the_initramfs(void **state) {
        FakePC *pc = *state;

        fake_host_set_driver(pc->fake, GPU, "nvidia");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "vfio-pci");
        check_is(pc, CHECK_WARN, GPU " was on nvidia already");
}

/* Known before the first boot into the mode, and not changed by what is loaded afterwards. */
static void test_driver_of_the_initramfs_in_host_mode(void **state) {
        FakePC *pc = *state;
        CheckResult result;
        char said[1024];

        fake_host_write(pc->fake, "proc/cmdline", "ro vfio_mode=host\n");
        fake_host_set_driver(pc->fake, GPU, "nvidia");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        fake_pc_check_driver(pc, GPU, "nvidia");
        check_is(pc, CHECK_WARN, GPU " was on nvidia already");
        /* As it should be, where only a boot into the mode is kept from it. */
        fake_host_write(pc->fake, "lib/modules/6.12.9/modules.builtin", "");
        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_NONE);
        check_is(pc, CHECK_PASS, "made with this configuration");
        fake_host_remove(pc->fake, INITRAMFS_DIR);
        /* Loaded after the boot unit, which has run once more since. */
        fake_host_write(pc->fake, "run/vfio-mode/bound-early", "");
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        assert_false(look(pc, &result, said, sizeof(said)));
}

/* A card's USB controller is the boot unit's in any case: no image would keep its driver off. */
static void test_usb_controller_of_a_card(void **state) {
        FakePC *pc = *state;

        fake_host_add_function(pc->fake, USB, .class_code = 0x0c0330, .id = "10de:1ad8", .group = 1,
                               .driver = "xhci_hcd");
        fake_host_write(pc->fake, "lib/modules/6.12.9/modules.builtin", "");
        assert_int_equal(apply_initramfs_files(&pc->root, IMAGE), REFUSAL_NONE);
        assert_int_equal(apply_boot(&pc->root), REFUSAL_NONE);
        fake_pc_check_driver(pc, USB, "vfio-pci");
        check_is(pc, CHECK_PASS, "made with this configuration");
}

#define ON_A_PC(test) cmocka_unit_test_setup_teardown(test, set_up, fake_pc_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_A_PC(test_which_boots),
                ON_A_PC(test_efi_variable),
                ON_A_PC(test_what_is_refused),
                ON_A_PC(test_what_others_have),
                ON_A_PC(test_what_the_root_may_need),
                ON_A_PC(test_boot_goes_on),
                ON_A_PC(test_slow_driver),
                ON_A_PC(test_stuck_driver),
                ON_A_PC(test_boot_gets_stuck_without_config),
                ON_A_PC(test_boot_cannot_let_go),
                ON_A_PC(test_switch_gets_stuck),
                ON_A_PC(test_stuck_function_is_passed_over),
                ON_A_PC(test_no_time_is_left),
                ON_A_PC(test_mark),
                ON_A_PC(test_boot_decides_otherwise),
                ON_A_PC(test_boot_refuses),
                ON_A_PC(test_boot_knows_of_nothing),
                ON_A_PC(test_boot_cannot_read_its_configuration),
                ON_A_PC(test_switch_without_a_boot_unit),
                cmocka_unit_test(test_names_of_images),
                ON_A_PC(test_stale_image),
                ON_A_PC(test_image_that_was_not_written),
                ON_A_PC(test_no_image),
                ON_A_PC(test_passphrase),
                ON_A_PC(test_driver_of_the_initramfs),
                ON_A_PC(test_driver_of_the_initramfs_in_host_mode),
                ON_A_PC(test_usb_controller_of_a_card),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
