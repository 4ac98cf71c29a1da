/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reboots. Boots differ in their boot id, and the marker is written as GRUB's script writes it.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "boot-machine.h"
#include "boot/efi-one-shot.h"
#include "boot/env-file.h"
#include "model/kernel-cmdline.h"

#define FOREIGN "BOOT_IMAGE=/boot/vmlinuz-6.1.0-18-amd64 root=UUID=0b1c ro quiet"

static const char sample[] = "[device gpu]\naddress = 0000:01:00.0\n"
                             "[mode passthrough]\nvfio-devices = gpu\ncmdline = nosmt=force\n"
                             "[mode plain]\nvfio-devices = gpu\n"
                             "[mode sure]\nconfirm = boot\nvfio-devices = gpu\n";

/* --- the machine --- */

static void must(bool condition, const char *what) {
        if (condition)
                return;
        (void)fprintf(stderr, "boot-machine.c: %s: %s\n", what, strerror(errno));
        abort();
}

void boot_machine_mounts(BootMachine *machine, const char *lines) {
        fake_host_write(machine->fake, "proc/self/mountinfo", lines);
}

void boot_machine_link(BootMachine *machine, const char *target, const char *path) {
        must(symlinkat(target, machine->root.fd, path) == 0, path);
}

void boot_machine_disk(BootMachine *machine, const char *device, const char *path,
                       bool is_partition) {
        char name[256], target[256];

        (void)snprintf(name, sizeof(name), "sys/devices/%s/size", path);
        fake_host_write(machine->fake, name, "2048\n");
        if (is_partition) {
                (void)snprintf(name, sizeof(name), "sys/devices/%s/partition", path);
                fake_host_write(machine->fake, name, "1\n");
        }
        (void)snprintf(target, sizeof(target), "../../devices/%s", path);
        (void)snprintf(name, sizeof(name), "sys/dev/block/%s", device);
        fake_host_write(machine->fake, "sys/dev/block/.keep", "");
        boot_machine_link(machine, target, name);
}

void boot_machine_config(BootMachine *machine, const char *text) {
        ConfigSource source = { "vfio-mode.ini", text, strlen(text) };
        ConfigErrors errors = { 0 };
        char buffer[256];

        if (config_parse(&source, 1, &machine->config, &errors) >= 0)
                return;
        (void)fprintf(stderr, "%s\n", config_errors_format(&errors, buffer, sizeof(buffer)));
        abort();
}

BootState boot_machine_block(const BootMachine *machine) {
        BootState state;

        must(env_file_read(&machine->root, BLOCK, &state) == 0, "no block");
        return state;
}

/* --- a boot --- */

static void write_boot_id(BootMachine *machine) {
        char text[64];

        (void)snprintf(text, sizeof(text), "00000000-0000-4000-8000-%012u\n", ++machine->boots);
        fake_host_write(machine->fake, "proc/sys/kernel/random/boot_id", text);
}

void boot_machine_cmdline(BootMachine *machine, const char *text) {
        fake_host_write(machine->fake, "proc/cmdline", text);
}

/* What GRUB's script does, and what it leaves on the command line. */
static void play_grub(BootMachine *machine) {
        char mode[CONFIG_NAME_SIZE], text[2048];
        BootState state = { 0 }, after = { 0 };
        EnvBlock block;
        BootKind kind;
        bool is_there;
        int r;

        r = env_file_read(&machine->root, BLOCK, &state);
        is_there = r >= 0;
        if (r == -ENOENT) {
                boot_machine_cmdline(machine, FOREIGN " vfio_mode.boot=missing.0.0\n");
                return;
        }
        kind = boot_state_boot(is_there ? &state : NULL, !machine->grub_is_readonly, mode, &after);
        if (is_there && !boot_state_equal(&state, &after)) {
                must(boot_state_format(&after, &block) == 0, "too long");
                fake_host_write_bytes(machine->fake, BLOCK, block.bytes, sizeof(block.bytes));
        }
        (void)snprintf(text, sizeof(text), FOREIGN "%s%s%s%s vfio_mode.boot=%s.%llu.%u\n",
                       mode[0] ? " vfio_mode=" : "", mode,
                       mode[0] && strcmp(mode, "fallback") != 0 && after.arguments[0] ? " " : "",
                       strcmp(mode, "fallback") != 0 && mode[0] ? after.arguments : "",
                       boot_kind_name(kind), (unsigned long long)after.sequence, after.left);
        boot_machine_cmdline(machine, text);
}

/* What vfio-mode-boot does. */
static const char *play_boot(BootMachine *machine) {
        BootChoiceInput input = { .config = &machine->config };
        char *cmdline = fake_host_read(machine->fake, "proc/cmdline");
        BootRecord record = { 0 };
        BootChoice choice = { 0 };

        write_boot_id(machine);
        kernel_cmdline_request(cmdline, &input.request);
        must(boot_marker_find(cmdline, &input.marker) >= 0, cmdline);
        free(cmdline);
        input.efi_result = efi_one_shot_read(&machine->root, input.efi_mode);
        must(efi_one_shot_delete(&machine->root) == 0, "EFI variable");
        input.previous_result = boot_record_read(&machine->root, BOOT_RECORD_PATH, &input.previous);
        boot_choose(&input, &choice);

        must(boot_id_read(&machine->root, record.boot_id) == 0, "boot id");
        record.time = machine->boots;
        record.source = choice.source;
        record.marker = input.marker;
        record.kind = choice.kind;
        record.unconfirmed = choice.unconfirmed;
        record.repeated = input.previous_result >= 0 &&
                          boot_is_repeated(&input.marker, &input.previous.marker);
        (void)snprintf(record.wanted, sizeof(record.wanted), "%s", choice.wanted);
        (void)snprintf(record.mode, sizeof(record.mode), "%s", choice.mode);
        must(boot_record_write(&machine->root, &record) == 0, "record");
        (void)snprintf(machine->booted, sizeof(machine->booted), "%s", choice.mode);
        return machine->booted;
}

const char *boot_machine_reboot(BootMachine *machine) {
        BootPlace place;

        must(boot_place_find(&machine->root, &place) == 0, "place");
        if (place.has_scripts)
                play_grub(machine);
        else
                boot_machine_cmdline(machine, FOREIGN "\n");
        return play_boot(machine);
}

const char *boot_machine_kexec(BootMachine *machine) {
        return play_boot(machine);
}

void boot_machine_hibernate(BootMachine *machine) {
        char *cmdline = fake_host_read(machine->fake, "proc/cmdline");

        play_grub(machine);
        boot_machine_cmdline(machine, cmdline);
        free(cmdline);
}

void boot_machine_prove(BootMachine *machine) {
        must(env_file_create(&machine->root, BLOCK) == 1, "block");
        (void)boot_machine_reboot(machine);
}

/* --- for cmocka --- */

int boot_machine_set_up(void **state) {
        BootMachine *machine = calloc(1, sizeof(*machine));

        machine->fake = fake_host_new();
        must(root_open(fake_host_path(machine->fake), &machine->root) == 0, "root");
        boot_machine_mounts(machine, MOUNT_ROOT MOUNT_EFIVARS MOUNT_ESP);
        boot_machine_disk(machine, "8:0", "pci0000:00/ata1/block/sda", false);
        boot_machine_disk(machine, "8:1", "pci0000:00/ata1/block/sda/sda1", true);
        boot_machine_disk(machine, "8:2", "pci0000:00/ata1/block/sda/sda2", true);
        fake_host_write(machine->fake, "boot/grub/grub.cfg",
                        "set timeout=5\n### vfio-mode environment ###\n");
        fake_host_write(machine->fake, "boot/efi/EFI/debian/grubx64.efi", "MZ");
        fake_host_write(machine->fake, "run/udev/data/b8:1",
                        "S:disk/by-uuid/1A2B-3C4D\nE:ID_FS_UUID=1A2B-3C4D\n");
        fake_host_write(machine->fake, "var/lib/dpkg/status", "");
        fake_host_write(machine->fake, "usr/sbin/update-grub", "");
        fake_host_write(machine->fake, EFI_VARIABLES_DIR "/BootOrder", "");
        boot_machine_config(machine, sample);
        (void)boot_machine_reboot(machine);
        *state = machine;
        return 0;
}

int boot_machine_tear_down(void **state) {
        BootMachine *machine = *state;

        root_close(&machine->root);
        fake_host_freep(&machine->fake);
        free(machine);
        return 0;
}

void boot_machine_limit_files(rlim_t size) {
        struct rlimit limit;

        (void)signal(SIGXFSZ, SIG_IGN);
        must(getrlimit(RLIMIT_FSIZE, &limit) == 0, "getrlimit");
        limit.rlim_cur = size;
        must(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
}
