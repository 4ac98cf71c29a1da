/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs for the next boot (one-shot, grub-environment, grub-modes), inspect, and revert. */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/verbs.h"
#include "boot-machine.h"
#include "boot/efi-one-shot.h"
#include "boot/env-file.h"
#include "host/origin-file.h"
#include "host/state-files.h"
#include "model/inspection.h"
#include "table.h"

#define GPU "0000:01:00.0"
#define CONFIG                                                                                  \
        "[general]\ndefault-mode = host\n[device gpu]\naddress = " GPU "\nconsent = boot-vga\n" \
        "[mode passthrough]\nvfio-devices = gpu\n"                                              \
        "[mode tuned]\nvfio-devices = gpu\ncmdline = nosmt=force panic=3\n"                     \
        "[mode big]\nvfio-devices = gpu\ncmdline = nosmt\n"

static int set_up(void **state) {
        BootMachine *machine;

        if (boot_machine_set_up(state) != 0)
                return -1;
        machine = *state;
        fake_host_add_gpu(machine->fake, GPU, .group = 1, .driver = "nvidia", .boot_vga = true);
        boot_machine_config(machine, CONFIG);
        fake_host_write(machine->fake, "etc/vfio-mode.ini", CONFIG);
        assert_int_equal(setenv("GRUB_CMDLINE_LINUX_DEFAULT", "quiet $vfio_args", true), 0);
        return 0;
}

/* What a verb prints on stdout, which is where cmocka prints, too. */
static RefusalKind run(RefusalKind (*verb)(const Root *), BootMachine *machine, char *output,
                       size_t size) {
        _cleanup_close_ int saved = dup(STDOUT_FILENO), file = -1;
        RefusalKind kind;
        ssize_t n;

        file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        assert_true(saved >= 0 && file >= 0);
        (void)fflush(stdout);
        assert_true(dup2(file, STDOUT_FILENO) >= 0);
        kind = verb(&machine->root);
        (void)fflush(stdout);
        assert_true(dup2(saved, STDOUT_FILENO) >= 0);
        n = pread(file, output, size - 1, 0);
        assert_true(n >= 0);
        output[n] = '\0';
        return kind;
}

/* --- for GRUB's scripts --- */

static void test_grub_environment(void **state) {
        BootMachine *machine = *state;
        char output[256];
        BootState after;

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                                 REFUSAL_NONE);
                assert_string_equal(output, "prefix vfio-mode/vfio-mode.env\n");
                assert_int_equal(env_file_read(&machine->root, BLOCK, &after), 0);
                assert_string_equal(after.mode, "");
        }
}

static void test_grub_environment_drops_what_is_stale(void **state) {
        const BootState armed = { .sequence = 7, .mode = "passthrough", .left = 1 };
        BootMachine *machine = *state;
        char output[256];
        BootState after;
        EnvBlock block;

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(boot_state_format(&armed, &block), 0);
                fake_host_write_bytes(machine->fake, BLOCK, block.bytes, sizeof(block.bytes));
                assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                                 REFUSAL_NONE);
                assert_string_equal(output, "prefix vfio-mode/vfio-mode.env\n");
                assert_int_equal(env_file_read(&machine->root, BLOCK, &after), 0);
                assert_string_equal(after.mode, i == 0 ? "passthrough" : "");
                fake_host_write(machine->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        }
}

static void test_grub_environment_on_the_esp(void **state) {
        BootMachine *machine = *state;
        char output[256];
        BootState after;

        boot_machine_mounts(machine, "21 1 0:31 / / rw - btrfs /dev/sda2 rw\n" MOUNT_ESP);
        fake_host_write(machine->fake, "run/udev/data/b8:1", "I:1\nE:ID_FS_UUID=4E2A-11F0\n");
        assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                         REFUSAL_NONE);
        assert_string_equal(output, "esp 4E2A-11F0 EFI/vfio-mode/vfio-mode.env\n");
        assert_int_equal(env_file_read(&machine->root, ESP_BLOCK, &after), 0);
}

/* Where GRUB reads it until then it stays as it is: this grub.cfg may never be put in place. */
static void test_grub_environment_moves(void **state) {
        const NextBootOptions options = { .tries = 2 };
        const BootState older = { .sequence = 1, .mode = "big", .left = 1 };
        BootMachine *machine = *state;
        BootState before, after;
        char output[256];
        EnvBlock block;

        boot_machine_prove(machine);
        assert_int_equal(next_boot_set_once(&machine->root, &machine->config, "passthrough",
                                            &options, &machine->answer, &machine->refusal),
                         REFUSAL_NONE);
        before = boot_machine_block(machine);
        fake_host_write(machine->fake, "boot/grub/grub.cfg",
                        GRUB_SCRIPT_MARK "\nset vfio_file=\"${prefix}/vfio-mode/vfio-mode.env\"\n");
        boot_machine_mounts(machine, "21 1 0:31 / / rw - btrfs /dev/sda2 rw\n" MOUNT_ESP);
        fake_host_write(machine->fake, "run/udev/data/b8:1", "I:1\nE:ID_FS_UUID=4E2A-11F0\n");
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                                 REFUSAL_NONE);
                assert_string_equal(output, "esp 4E2A-11F0 EFI/vfio-mode/vfio-mode.env\n");
                assert_int_equal(env_file_read(&machine->root, ESP_BLOCK, &after), 0);
                assert_string_equal(after.mode, "passthrough");
                assert_int_equal(after.left, 2);
                assert_int_equal(after.sequence, before.sequence);
                assert_string_equal(boot_machine_block(machine).mode, "passthrough");
                assert_int_equal(boot_state_format(&older, &block), 0);
                fake_host_write_bytes(machine->fake, ESP_BLOCK, block.bytes, sizeof(block.bytes));
        }
        /* Nothing is known to be armed then, and the older one is not to come back. */
        fake_host_write(machine->fake, BLOCK, "torn");
        assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                         REFUSAL_NONE);
        assert_int_equal(env_file_read(&machine->root, ESP_BLOCK, &after), 0);
        assert_string_equal(after.mode, "");
}

/* The new place may hold an older one still: no grub.cfg is told of it. */
static void test_grub_environment_cannot_move(void **state) {
        BootMachine *machine = *state;
        RefusalKind kind;
        char output[256];

        boot_machine_prove(machine);
        fake_host_write(machine->fake, "boot/grub/grub.cfg",
                        GRUB_SCRIPT_MARK "\nset vfio_file=\"${prefix}/vfio-mode/vfio-mode.env\"\n");
        boot_machine_mounts(machine, "21 1 0:31 / / rw - btrfs /dev/sda2 rw\n" MOUNT_ESP);
        fake_host_write(machine->fake, "run/udev/data/b8:1", "I:1\nE:ID_FS_UUID=4E2A-11F0\n");
        assert_int_equal(env_file_create(&machine->root, ESP_BLOCK), 1);
        boot_machine_limit_files(ENV_BLOCK_SIZE / 2);
        kind = run(apply_grub_environment, machine, output, sizeof(output));
        boot_machine_limit_files(RLIM_INFINITY);
        assert_int_equal(kind, REFUSAL_FAILED);
        assert_string_equal(output, "The boot environment /" ESP_BLOCK
                                    " cannot be written: Input/output error.\n");
}

/* Entry files are switched off in the next grub.cfg. */
static void test_grub_environment_after_entry_files(void **state) {
        const NextBootOptions options = { 0 };
        BootMachine *machine = *state;
        char output[256];

        boot_machine_prove(machine);
        assert_int_equal(next_boot_set_once(&machine->root, &machine->config, "passthrough",
                                            &options, &machine->answer, &machine->refusal),
                         REFUSAL_NONE);
        fake_host_write(machine->fake, "boot/grub/grub.cfg", "blscfg\n");
        fake_host_write(machine->fake, "boot/loader/entries/a.conf", "");
        assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                         REFUSAL_NONE);
        assert_string_equal(output, "prefix vfio-mode/vfio-mode.env\n");
        /* What was armed before that grub.cfg was made is stale. */
        assert_string_equal(boot_machine_block(machine).mode, "");
}

static void test_grub_environment_nowhere(void **state) {
        BootMachine *machine = *state;
        char output[256];

        boot_machine_mounts(machine, "21 1 0:31 / / rw - btrfs /dev/sda2 rw\n");
        assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                         REFUSAL_NOT_SUPPORTED);
        assert_non_null(strstr(output, "/boot/grub is on btrfs"));
        assert_int_equal(refusal_exit_code(REFUSAL_NOT_SUPPORTED), EXIT_CODE_NOT_VIABLE);
}

static void test_grub_environment_fails(void **state) {
        BootMachine *machine = *state;
        char output[256];

        fake_host_write(machine->fake, "boot/grub/vfio-mode", "");
        assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                         REFUSAL_FAILED);
        assert_string_equal(output,
                            "The boot environment /" BLOCK " cannot be made: Not a directory.\n");
}

/* What grub-mkconfig exports, and what is missing in it; NULL: nothing. */
static const struct {
        const char *enable_blscfg, *cmdline, *cmdline_default, *missing;
} settings[] = {
        { NULL, NULL, NULL, "put the line '. /etc/default/grub.d/vfio-mode.cfg'" },
        { "false", "", "quiet", "put the line '. /etc/default/grub.d/vfio-mode.cfg'" },
        { NULL, NULL, "${vfio_args}", NULL },
        { "false", "$vfio_args quiet", NULL, NULL },
        { "true", NULL, "$vfio_args", "Boot Loader Specification" },
};

static void set_or_unset(const char *name, const char *value) {
        assert_int_equal(value ? setenv(name, value, true) : unsetenv(name), 0);
}

static void test_grub_settings(void **state) {
        BootMachine *machine = *state;
        char output[256];

        for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
                const char *missing = settings[i].missing;

                set_or_unset("GRUB_ENABLE_BLSCFG", settings[i].enable_blscfg);
                set_or_unset("GRUB_CMDLINE_LINUX", settings[i].cmdline);
                set_or_unset("GRUB_CMDLINE_LINUX_DEFAULT", settings[i].cmdline_default);
                if (fake_host_exists(machine->fake, BLOCK))
                        fake_host_remove(machine->fake, BLOCK);
                assert_int_equal(run(apply_grub_environment, machine, output, sizeof(output)),
                                 missing ? REFUSAL_NOT_SUPPORTED : REFUSAL_NONE);
                assert_non_null(strstr(output, missing ? missing : "prefix "));
                assert_int_equal(fake_host_exists(machine->fake, BLOCK), !missing);
        }
        assert_int_equal(run(apply_grub_modes, machine, output, sizeof(output)),
                         REFUSAL_NOT_SUPPORTED);
        assert_non_null(strstr(output, "Boot Loader Specification"));
        set_or_unset("GRUB_ENABLE_BLSCFG", NULL);
}

static void test_grub_modes(void **state) {
        BootMachine *machine = *state;
        char output[256];

        assert_int_equal(run(apply_grub_modes, machine, output, sizeof(output)), REFUSAL_NONE);
        assert_string_equal(output, "passthrough\tpanic=10\n"
                                    "tuned\tnosmt=force panic=3\n"
                                    "big\tnosmt panic=10\n");
        fake_host_write(machine->fake, "etc/vfio-mode.ini", "[nonsense\n");
        assert_int_equal(run(apply_grub_modes, machine, output, sizeof(output)),
                         REFUSAL_CONFIG_INVALID);
        assert_string_equal(output, "");
        fake_host_remove(machine->fake, "etc/vfio-mode.ini");
        assert_int_equal(run(apply_grub_modes, machine, output, sizeof(output)),
                         REFUSAL_CONFIG_INVALID);
        assert_string_equal(output, "");
}

/* --- one-shot --- */

static void test_one_shot(void **state) {
        BootMachine *machine = *state;
        char mode[CONFIG_NAME_SIZE];

        assert_int_equal(apply_one_shot(&machine->root, "none"), REFUSAL_NONE);
        assert_int_equal(apply_one_shot(&machine->root, "passthrough"), REFUSAL_NONE);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), 1);
        assert_string_equal(mode, "passthrough");
        assert_int_equal(apply_one_shot(&machine->root, "no-such"), REFUSAL_UNKNOWN_MODE);
        assert_int_equal(apply_one_shot(&machine->root, "../etc"), REFUSAL_UNKNOWN_MODE);
        assert_int_equal(apply_one_shot(&machine->root, "tuned"), REFUSAL_NOT_SUPPORTED);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), 1);
        assert_string_equal(mode, "passthrough");
        assert_int_equal(apply_one_shot(&machine->root, "none"), REFUSAL_NONE);
        assert_int_equal(efi_one_shot_read(&machine->root, mode), 0);
}

/* --- inspect --- */

static void read_inspection(BootMachine *machine, const char *mode, Inspection *ret) {
        _cleanup_free_ char *text = NULL;
        char path[128];
        struct stat status;

        (void)snprintf(path, sizeof(path), INSPECT_DIR "/%s", mode);
        text = fake_host_read(machine->fake, path);
        assert_non_null(text);
        assert_int_equal(inspection_parse(text, ret), 0);
        assert_string_equal(ret->mode, mode);
        assert_int_equal(fstatat(machine->root.fd, path, &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_int_equal(fstatat(machine->root.fd, INSPECT_DIR, &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
}

static const Check *find_check(const Inspection *inspection, const char *id) {
        for (size_t i = 0; i < inspection->n_checks; i++)
                if (strcmp(inspection->checks[i].id, id) == 0)
                        return &inspection->checks[i];
        fail_msg("no check '%s'", id);
        return NULL;
}

static void test_inspect(void **state) {
        _cleanup_free_ Inspection *inspection = calloc(1, sizeof(*inspection));
        BootMachine *machine = *state;
        _cleanup_free_ char *before = fake_host_snapshot(machine->fake), *after = NULL;

        boot_machine_prove(machine);
        assert_int_equal(apply_inspect(&machine->root, "tuned"), REFUSAL_NONE);
        read_inspection(machine, "tuned", inspection);
        assert_int_equal(inspection->kind, REFUSAL_NONE);
        assert_true(inspection->n_steps > 0);
        assert_string_equal(inspection->steps[0].object, GPU);
        assert_int_equal(find_check(inspection, "config")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "device-gpu")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "host-driver-gpu")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "iommu")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "switch")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "boot-place")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "boot-scripts")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "boot-protection")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "cmdline")->result, CHECK_PASS);
        assert_int_equal(find_check(inspection, "boot-unit")->result, CHECK_WARN);
        after = fake_host_snapshot(machine->fake);
        assert_string_equal(after, before);
}

static void test_inspect_refused(void **state) {
        _cleanup_free_ Inspection *inspection = calloc(1, sizeof(*inspection));
        BootMachine *machine = *state;

        fake_host_remove_function(machine->fake, GPU);
        boot_machine_mounts(machine, "21 1 0:31 / / rw - btrfs /dev/sda2 rw\n");
        assert_int_equal(apply_inspect(&machine->root, "passthrough"), REFUSAL_NONE);
        read_inspection(machine, "passthrough", inspection);
        assert_int_equal(inspection->kind, REFUSAL_NOT_FOUND);
        assert_string_equal(inspection->text, inspection->public_text);
        assert_int_equal(inspection->n_steps, 0);
        assert_int_equal(find_check(inspection, "device-gpu")->result, CHECK_FAIL);
        assert_int_equal(find_check(inspection, "switch")->result, CHECK_FAIL);
        assert_int_equal(find_check(inspection, "boot-place")->result, CHECK_WARN);

        assert_int_equal(apply_inspect(&machine->root, "no-such"), REFUSAL_NONE);
        read_inspection(machine, "no-such", inspection);
        assert_int_equal(inspection->kind, REFUSAL_UNKNOWN_MODE);
        assert_int_equal(find_check(inspection, "config")->result, CHECK_FAIL);
        assert_int_equal(apply_inspect(&machine->root, "../../x"), REFUSAL_UNKNOWN_MODE);
}

/* --- revert --- */

static void switch_on_trial(BootMachine *machine, const char *trial) {
        assert_int_equal(apply_switch(&machine->root, "passthrough", true), REFUSAL_NONE);
        if (trial)
                fake_host_write(machine->fake, TRIAL_PATH, trial);
}

static const char *mode_now(BootMachine *machine, RunState *buffer) {
        assert_int_equal(state_read(&machine->root, buffer), 0);
        return buffer->mode;
}

typedef struct Row {
        const char *title;
        const char *trial;
        const char *mode; /**< the mode then */
} Row;

static const Row rows[] = {
        { "an unconfirmed switch goes back", "mode=passthrough\nback=tuned\nuntil=1\n", "tuned" },
        { "an unconfirmed switch without a mode before goes to the fallback mode",
          "mode=passthrough\nback=\nuntil=1\n", "host" },
        { "a way back that is refused: the fallback mode",
          "mode=passthrough\nback=no-such\nuntil=1\n", "host" },
        { "another mode by now stays", "mode=tuned\nback=host\nuntil=1\n", "passthrough" },
        { "a confirmed switch stays", NULL, "passthrough" },
        { "a damaged trial: the fallback mode", "mode=pass", "host" },
        { "a switch that is due goes back", "mode=passthrough\nback=tuned\nuntil=1\ndue=1\n",
          "tuned" },
};

static void test_revert(void **state) {
        const Row *row = *state;
        BootMachine *machine;
        RunState *buffer = calloc(1, sizeof(*buffer));
        void *made = NULL;

        assert_int_equal(set_up(&made), 0);
        machine = made;
        switch_on_trial(machine, row->trial);
        assert_int_equal(apply_revert(&machine->root), REFUSAL_NONE);
        assert_string_equal(mode_now(machine, buffer), row->mode);
        assert_false(fake_host_exists(machine->fake, TRIAL_PATH));
        free(buffer);
        (void)boot_machine_tear_down(&made);
}

/* Each clock comes for its own switch; of two that are due the later one's way back counts. */
static void test_revert_under_way(void **state) {
        BootMachine *machine = *state;
        RunState *buffer = calloc(1, sizeof(*buffer));

        switch_on_trial(machine, "mode=tuned\nback=host\nuntil=1\ndue=1\n");
        fake_host_write(machine->fake, TRIAL_NEXT_PATH,
                        "mode=passthrough\nback=tuned\nuntil=1\ndue=18446744073709551615\n");
        assert_int_equal(apply_revert(&machine->root), REFUSAL_NONE);
        assert_string_equal(mode_now(machine, buffer), "passthrough");
        assert_false(fake_host_exists(machine->fake, TRIAL_PATH));

        fake_host_write(machine->fake, TRIAL_NEXT_PATH,
                        "mode=passthrough\nback=tuned\nuntil=1\ndue=1\n");
        assert_int_equal(apply_revert(&machine->root), REFUSAL_NONE);
        assert_string_equal(mode_now(machine, buffer), "tuned");
        assert_string_equal(buffer->source, "revert");
        assert_false(fake_host_exists(machine->fake, TRIAL_NEXT_PATH));
        free(buffer);
}

/* What fallback and revert leave for the unit that they have started. */
static void test_switch_on_behalf(void **state) {
        BootMachine *machine = *state;
        RunState *buffer = calloc(1, sizeof(*buffer));

        switch_on_trial(machine, NULL);
        assert_int_equal(
                origin_leave(&machine->root, APPLY_ORIGIN_PATH, "host", "fallback", "why", ""), 0);
        assert_int_equal(apply_switch(&machine->root, "host", false), REFUSAL_NONE);
        assert_string_equal(mode_now(machine, buffer), "host");
        assert_string_equal(buffer->source, "fallback");
        assert_string_equal(buffer->reason, "why");
        assert_false(fake_host_exists(machine->fake, APPLY_ORIGIN_PATH));
        assert_int_equal(apply_switch(&machine->root, "tuned", false), REFUSAL_NONE);
        assert_string_equal(mode_now(machine, buffer), "tuned");
        assert_string_equal(buffer->source, "unit");
        free(buffer);
}

#define ON_MACHINE(title, function) { (title), (function), set_up, boot_machine_tear_down, NULL }

int main(void) {
        static const struct CMUnitTest on_machine[] = {
                ON_MACHINE("grub-environment makes the block, once", test_grub_environment),
                ON_MACHINE("grub-environment takes back what is stale",
                           test_grub_environment_drops_what_is_stale),
                ON_MACHINE("grub-environment on the ESP", test_grub_environment_on_the_esp),
                ON_MACHINE("grub-environment moves what is armed", test_grub_environment_moves),
                ON_MACHINE("grub-environment that cannot move it",
                           test_grub_environment_cannot_move),
                ON_MACHINE("grub-environment for a grub.cfg after entry files",
                           test_grub_environment_after_entry_files),
                ON_MACHINE("grub-environment without a place", test_grub_environment_nowhere),
                ON_MACHINE("grub-environment that fails", test_grub_environment_fails),
                ON_MACHINE("what the next grub.cfg cannot carry", test_grub_settings),
                ON_MACHINE("grub-modes", test_grub_modes),
                ON_MACHINE("one-shot", test_one_shot),
                ON_MACHINE("inspect", test_inspect),
                ON_MACHINE("inspect what is refused", test_inspect_refused),
                ON_MACHINE("revert while another switch is under way", test_revert_under_way),
                ON_MACHINE("switch on somebody's behalf", test_switch_on_behalf),
        };
        Table table = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(on_machine); i++)
                table.tests[table.n_tests++] = on_machine[i];
        TABLE_ROWS(&table, test_revert, rows);
        return table_run("verbs-next", &table);
}
