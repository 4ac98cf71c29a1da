/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine that boots by GRUB, made of words: mounts, disks, grub.cfg, EFI variables; and its
 * reboots, in which GRUB's script and vfio-mode-boot are played by the model's functions.
 */
#pragma once

#include <sys/resource.h>

#include "../fake/fake-host.h"
#include "boot/next-boot.h"
#include "model/boot-choice.h"

#define BLOCK "boot/grub/vfio-mode/vfio-mode.env"
#define ESP_BLOCK "boot/efi/EFI/vfio-mode/vfio-mode.env"

/** Mounts of a plain PC: root with /boot on sda2, the ESP on sda1, EFI variables. */
#define MOUNT_ROOT "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro\n"
#define MOUNT_ESP "29 21 8:1 / /boot/efi rw,relatime shared:9 - vfat /dev/sda1 rw,fmask=0077\n"
#define MOUNT_EFIVARS \
        "27 26 0:28 / /sys/firmware/efi/efivars rw,nosuid shared:5 - efivarfs efivarfs rw\n"

typedef struct BootMachine {
        FakeHost *fake;
        Root root;
        Config config;
        unsigned boots;                /**< since it was made */
        bool grub_is_readonly;         /**< GRUB's save_env fails */
        char booted[CONFIG_NAME_SIZE]; /**< the mode of the running boot */
        NextBoot now;                  /**< for who reads */
        NextBootAnswer answer;
        Refusal refusal;
} BootMachine;

/** A plain PC with GRUB's scripts and without a block, booted once to `host`. For cmocka; *state is
 * the BootMachine. */
int boot_machine_set_up(void **state);

/** Its end. */
int boot_machine_tear_down(void **state);

/** Replaces the mounts. */
void boot_machine_mounts(BootMachine *machine, const char *lines);

/** Adds a block device: "8:2" at "pci0000:00/ata1/block/sda/sda2". */
void boot_machine_disk(BootMachine *machine, const char *device, const char *path,
                       bool is_partition);

/** Replaces the configuration, and parses it. */
void boot_machine_config(BootMachine *machine, const char *text);

/** Makes a symbolic link. */
void boot_machine_link(BootMachine *machine, const char *target, const char *path);

/** Replaces the command line's foreign part for this boot: what there is before the marker. */
void boot_machine_cmdline(BootMachine *machine, const char *text);

/** Another boot, through GRUB if it has our scripts. Returns the mode booted. */
const char *boot_machine_reboot(BootMachine *machine);

/** Another kernel by kexec: the same command line, another boot id. */
const char *boot_machine_kexec(BootMachine *machine);

/** Off, and through GRUB on again into the same kernel: boot id and command line are the old ones.
 */
void boot_machine_hibernate(BootMachine *machine);

/** A block with a sequence of its own, and a boot that shows that GRUB writes it. */
void boot_machine_prove(BootMachine *machine);

/** The block; it must be readable. */
BootState boot_machine_block(const BootMachine *machine);

/** From now on no file of this process grows beyond @size bytes, as on a full disk: writing on is
 * -EFBIG. RLIM_INFINITY ends that. */
void boot_machine_limit_files(rlim_t size);
