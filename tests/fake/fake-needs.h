/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host needs of its PCI functions, in words: disks and what is made of them, network
 * interfaces, keyboards, mounts and routes. Links and directories as the kernel has them; of
 * attributes only what somebody reads.
 */
#pragma once

#include "fake-host.h"

/** Makes a symbolic link below the root, with the directories above it. */
void fake_host_link(FakeHost *host, const char *path, const char *target);

/**
 * A block device or a partition.
 *
 * @where: its directory below sys/devices: "pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1",
 * "virtual/block/dm-0"; the last component is its name
 * @number: "259:0"
 */
void fake_host_add_disk(FakeHost *host, const char *where, const char *number);

/** Makes a disk (in the virtual directory) out of another. */
void fake_host_add_slave(FakeHost *host, const char *disk, const char *slave);

/** What a person calls a mapped device. */
void fake_host_set_mapper_name(FakeHost *host, const char *disk, const char *name);

/** A network interface; @where as in fake_host_add_disk(), ending with "/net/eth0" of hardware. */
void fake_host_add_interface(FakeHost *host, const char *where);

/** Puts an interface on top of another: bridge, bond, VLAN. */
void fake_host_add_lower(FakeHost *host, const char *interface, const char *lower);

/** An input device with all keys of a keyboard, or with one button. @where ends with "/inputN". */
void fake_host_add_input(FakeHost *host, const char *where, const char *name, bool is_keyboard);

/** Adds a line to init's mounts. @number: "0:27" for a file system that has no device of its own.
 */
void fake_host_add_mount(FakeHost *host, const char *number, const char *point, const char *type,
                         const char *source);

/** An overlay. @options: "lowerdir=/a:/b,upperdir=/c". */
void fake_host_add_overlay(FakeHost *host, const char *point, const char *options);

/** What udev's database has of a disk (by its number) that is in a pool. */
void fake_host_set_zfs_label(FakeHost *host, const char *number, const char *pool);

/** Adds a line to /proc/swaps. */
void fake_host_add_swap(FakeHost *host, const char *path);

/** Adds a default route of IPv4. */
void fake_host_add_default_route(FakeHost *host, const char *interface);
