/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host needs of its PCI functions, on machines made of files: a row is a machine, and the
 * needs that are found on it, a line each.
 */
#undef NDEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/fake-needs.h"
#include "host/host-plan.h"
#include "host/reachability-scan.h"
#include "table.h"

#define SSD1 "pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0/nvme0n1"
#define SSD2 "pci0000:00/0000:00:1d.4/0000:02:00.0/nvme/nvme1/nvme1n1"
#define SATA "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda"
#define NIC1 "pci0000:00/0000:00:1c.0/0000:05:00.0/net/eth0"
#define NIC2 "pci0000:00/0000:00:1c.4/0000:06:00.0/net/eth1"
#define USB "pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/0003:046D:C31C.0001/input/"

#define USB_DISK "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb"

#define AT_USB " [0000:00:14.0]\n"
#define AT_SSD1 " [0000:00:1d.0 0000:01:00.0]\n"
#define AT_SSD2 " [0000:00:1d.4 0000:02:00.0]\n"
#define AT_SATA " [0000:00:17.0]\n"
#define AT_NIC1 " [0000:00:1c.0 0000:05:00.0=]\n"
#define AT_NIC2 " [0000:00:1c.4 0000:06:00.0=]\n"

typedef struct Row {
        const char *title;
        void (*make)(FakeHost *host);
        const char *needs;
} Row;

/* --- storage --- */

static void make_plain_disk(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, SATA "/sda1", "8:1");
        fake_host_add_disk(host, SATA "/sda2", "8:2");
        fake_host_add_mount(host, "8:2", "/", "ext4", "/dev/sda2");
        fake_host_add_mount(host, "8:1", "/boot/efi", "vfat", "/dev/sda1");
        /* The same again, as in a container's tree. */
        fake_host_add_mount(host, "8:2", "/srv/bound", "ext4", "/dev/sda2");
}

/* Root on LVM on LUKS on a RAID of two disks. */
static void make_stack(FakeHost *host) {
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, SSD1 "/nvme0n1p3", "259:3");
        fake_host_add_disk(host, SSD2, "259:4");
        fake_host_add_disk(host, SSD2 "/nvme1n1p3", "259:7");
        fake_host_add_disk(host, "virtual/block/md0", "9:0");
        fake_host_add_disk(host, "virtual/block/dm-0", "254:0");
        fake_host_add_disk(host, "virtual/block/dm-1", "254:1");
        fake_host_add_slave(host, "md0", "nvme0n1p3");
        fake_host_add_slave(host, "md0", "nvme1n1p3");
        fake_host_add_slave(host, "dm-0", "md0");
        fake_host_add_slave(host, "dm-1", "dm-0");
        fake_host_set_mapper_name(host, "dm-0", "luks-pv");
        fake_host_set_mapper_name(host, "dm-1", "pve-root");
        fake_host_add_mount(host, "254:1", "/", "ext4", "/dev/mapper/pve-root");
}

static void make_partition_of_a_raid(FakeHost *host) {
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, "virtual/block/md0", "9:0");
        fake_host_add_disk(host, "virtual/block/md0/md0p1", "259:9");
        fake_host_add_slave(host, "md0", "nvme0n1");
        fake_host_add_mount(host, "259:9", "/srv", "xfs", "/dev/md0p1");
}

/* What the system needs is named first, and a disk that it needs not again for something else. */
static void make_shared_disk(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, "virtual/block/dm-0", "254:0");
        fake_host_add_disk(host, "virtual/block/dm-1", "254:1");
        fake_host_add_slave(host, "dm-0", "sda");
        fake_host_add_slave(host, "dm-1", "sda");
        fake_host_add_mount(host, "254:0", "/srv", "ext4", "/dev/dm-0");
        fake_host_add_mount(host, "254:1", "/var", "ext4", "/dev/dm-1");
}

static void make_swaps(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, SATA "/sda1", "8:1");
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, SSD2, "259:4");
        fake_host_add_disk(host, "virtual/block/dm-0", "254:0");
        fake_host_set_mapper_name(host, "dm-0", "swap");
        fake_host_add_slave(host, "dm-0", "nvme0n1");
        fake_host_add_mount(host, "259:4", "/srv/with\\040blank", "ext4", "/dev/nvme1n1");
        fake_host_add_swap(host, "/dev/sda1");
        fake_host_add_swap(host, "/dev/dm-0");
        fake_host_add_swap(host, "/dev/zram0");
        fake_host_add_swap(host, "/srv/with\\040blank/swapfile");
}

static void make_btrfs(FakeHost *host) {
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, "virtual/block/dm-0", "254:0");
        fake_host_set_mapper_name(host, "dm-0", "crypt");
        fake_host_add_slave(host, "dm-0", "nvme0n1");
        fake_host_add_disk(host, SSD2, "259:4");
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_write(host, "sys/fs/btrfs/features/raid56", "1\n");
        fake_host_link(host, "sys/fs/btrfs/5b1f/devices/dm-0", "../../../../class/block/dm-0");
        fake_host_link(host, "sys/fs/btrfs/5b1f/devices/nvme1n1",
                       "../../../../class/block/nvme1n1");
        fake_host_link(host, "sys/fs/btrfs/77aa/devices/sda", "../../../../class/block/sda");
        fake_host_add_mount(host, "0:27", "/", "btrfs", "/dev/mapper/crypt");
}

/* A disk of a subsystem that may have more controllers lies beside them. */
static void make_nvme_subsystem(FakeHost *host) {
        fake_host_add_disk(host, "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:0");
        fake_host_add_disk(host, "virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p2", "259:2");
        fake_host_link(host, "sys/class/nvme-subsystem/nvme-subsys0",
                       "../../devices/virtual/nvme-subsystem/nvme-subsys0");
        fake_host_link(host, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
                       "../../../pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0");
        fake_host_link(host, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1",
                       "../../../pci0000:00/0000:00:1d.4/0000:02:00.0/nvme/nvme1");
        fake_host_link(host, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/subsystem",
                       "../../../../class/nvme-subsystem");
        fake_host_add_mount(host, "259:2", "/", "ext4", "/dev/nvme0n1p2");
}

/* A volume management device has a PCI domain of its own below its function. */
static void make_vmd(FakeHost *host) {
        fake_host_add_disk(host,
                           "pci0000:00/0000:00:0e.0/pci10000:00/10000:00:02.0/10000:01:00.0/nvme/"
                           "nvme0/nvme0n1",
                           "259:0");
        fake_host_add_mount(host, "259:0", "/", "ext4", "/dev/nvme0n1");
}

/* A mirror with one leg encrypted, a disk with an older file system's signature, too, and another
 * pool. */
static void make_zfs(FakeHost *host) {
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, SSD1 "/nvme0n1p3", "259:3");
        fake_host_set_zfs_label(host, "259:3", "rpool");
        fake_host_add_disk(host, SSD2, "259:4");
        fake_host_add_disk(host, "virtual/block/dm-0", "254:0");
        fake_host_set_mapper_name(host, "dm-0", "crypt");
        fake_host_add_slave(host, "dm-0", "nvme1n1");
        fake_host_set_zfs_label(host, "254:0", "rpool");
        fake_host_add_disk(host, USB_DISK, "8:16");
        fake_host_write(host, "run/udev/data/b8:16",
                        "E:ID_FS_AMBIVALENT=filesystem:ext4:1.0 filesystem:zfs_member:5000\n");
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_set_zfs_label(host, "8:0", "rpool2");
        fake_host_write(host, "run/udev/data/b259:0", "E:ID_PART_TABLE_TYPE=gpt\n");
        fake_host_add_mount(host, "0:29", "/", "zfs", "rpool/ROOT/pve-1");
        fake_host_add_mount(host, "0:30", "/rpool", "zfs", "rpool");
        fake_host_add_mount(host, "0:31", "/tank", "zfs", "rpool2");
}

/* Nothing says where it is: it may be anywhere. */
static void make_zfs_without_udev(FakeHost *host) {
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, SSD1 "/nvme0n1p1", "259:1");
        fake_host_write(host, "sys/devices/" SSD1 "/nvme0n1p1/partition", "1\n");
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, "virtual/block/dm-0", "254:0");
        fake_host_add_slave(host, "dm-0", "nvme0n1");
        fake_host_set_zfs_label(host, "8:0", "tank");
        fake_host_add_mount(host, "259:1", "/boot", "ext4", "/dev/nvme0n1p1");
        fake_host_add_mount(host, "0:29", "/", "zfs", "rpool/ROOT/pve-1");
}

/* An overlay over an image, which is a file on a USB stick. */
static void make_live_system(FakeHost *host) {
        fake_host_add_disk(host, USB_DISK, "8:16");
        fake_host_add_disk(host, USB_DISK "/sdb1", "8:17");
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, "virtual/block/loop0", "7:0");
        fake_host_write(host, "sys/devices/virtual/block/loop0/loop/backing_file",
                        "/run/live/medium/live/filesystem.squashfs\n");
        fake_host_add_mount(host, "0:25", "/run", "tmpfs", "tmpfs");
        fake_host_add_mount(host, "8:17", "/run/live/medium", "vfat", "/dev/sdb1");
        fake_host_add_mount(host, "7:0", "/run/live/rootfs/filesystem.squashfs", "squashfs",
                            "/dev/loop0");
        fake_host_add_overlay(
                host, "/",
                "noatime,lowerdir=/run/live/rootfs/filesystem.squashfs/,upperdir=/run/"
                "live/overlay/rw,workdir=/run/live/overlay/work,xino=off");
}

/* The layers were mounted in the initramfs, and what of it is left is not to be seen. */
static void make_live_system_unseen(FakeHost *host) {
        fake_host_add_disk(host, USB_DISK, "8:16");
        fake_host_add_disk(host, "virtual/block/loop0", "7:0");
        fake_host_add_overlay(
                host, "/", "lowerdir=/filesystem.squashfs,upperdir=/cow/upper,workdir=/cow/work");
}

static void make_composefs(FakeHost *host) {
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_mount(host, "0:25", "/run", "tmpfs", "tmpfs");
        fake_host_add_mount(host, "259:0", "/sysroot", "xfs", "/dev/nvme0n1");
        fake_host_add_overlay(
                host, "/",
                "lowerdir+=/run/ostree/.private/cfsroot-lower,datadir+=/sysroot/ostree/"
                "repo/objects,redirect_dir=on,metacopy=on");
        fake_host_add_mount(host, "8:0", "/srv", "ext4", "/dev/sda");
        fake_host_add_overlay(host, "/srv/containers/1/merged", "lowerdir=/gone");
}

/* Of a file system that is not known here, even its only disk. */
static void make_unknown(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_mount(host, "8:0", "/", "ext4", "/dev/sda");
        fake_host_add_mount(host, "0:29", "/var", "bcachefs", "/dev/nvme0n1:/dev/nvme1n1");
}

/* Each swap is asked for by itself. */
static void make_unknown_swap(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_mount(host, "8:0", "/", "ext4", "/dev/sda");
        fake_host_add_mount(host, "0:29", "/srv", "bcachefs", "/dev/nvme0n1:/dev/nvme1n1");
        fake_host_add_swap(host, "/srv/swapfile");
        fake_host_add_swap(host, "/swapfile");
}

static void make_loop(FakeHost *host, const char *file) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, SSD1, "259:0");
        fake_host_add_disk(host, "virtual/block/loop0", "7:0");
        fake_host_write(host, "sys/devices/virtual/block/loop0/loop/backing_file", file);
        fake_host_add_mount(host, "8:0", "/home", "ext4", "/dev/sda");
        fake_host_add_swap(host, "/dev/loop0");
}

static void make_swap_on_a_lost_loop(FakeHost *host) {
        make_loop(host, "/gone/swapfile\n");
}

static void make_swap_on_a_long_loop(FakeHost *host) {
        char file[300] = "/home/";

        for (size_t i = strlen(file); i < sizeof(file) - 1; i++)
                file[i] = 'x';
        make_loop(host, file);
}

static void make_zvols(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, "virtual/block/zd0", "230:0");
        fake_host_add_disk(host, "virtual/block/zd0/zd0p1", "230:1");
        fake_host_add_mount(host, "230:1", "/", "ext4", "/dev/zd0p1");
}

static void make_swap_on_a_zvol(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_disk(host, "virtual/block/zd16", "230:16");
        fake_host_add_mount(host, "230:16", "/srv", "ext4", "/dev/zd16");
        fake_host_add_swap(host, "/dev/zd16");
}

/* Their disks are somebody else's, or none. */
static void make_diskless(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_mount(host, "0:20", "/", "nfs4", "server:/root");
        fake_host_add_mount(host, "0:21", "/var", "tmpfs", "tmpfs");
        fake_host_add_mount(host, "0:22", "/boot", "virtiofs", "boot");
        fake_host_add_mount(host, "0:23", "/efi", "autofs", "systemd-1");
        fake_host_add_overlay(host, "/usr", "lowerdir=/srv/usr,upperdir=/var/usr");
        fake_host_add_mount(host, "0:24", "/srv/fuse", "fuse.sshfs", "host:/");
}

static void make_disks_that_are_none(FakeHost *host) {
        fake_host_add_disk(host, "virtual/block/loop0", "7:0");
        fake_host_add_disk(host, "platform/host3/session1/block/sdb", "8:16");
        fake_host_add_mount(host, "7:0", "/snap", "squashfs", "/dev/loop0");
        fake_host_add_mount(host, "8:16", "/srv", "ext4", "/dev/sdb");
        fake_host_add_mount(host, "0:30", "/", "zfs", "rpool/ROOT/pve-1");
        fake_host_add_mount(host, "0:31", "/usr", "nfs4", "server:/usr");
        fake_host_add_mount(host, "0:32", "/var", "overlay", "overlay");
        fake_host_add_mount(host, "8:99", "/boot", "ext4", "/dev/gone");
        fake_host_add_mount(host, "0:33", "/efi", "btrfs", "gone");
}

static void make_circle(FakeHost *host) {
        fake_host_add_disk(host, "virtual/block/dm-0", "254:0");
        fake_host_add_disk(host, "virtual/block/dm-1", "254:1");
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_slave(host, "dm-0", "dm-1");
        fake_host_add_slave(host, "dm-1", "dm-0");
        fake_host_add_slave(host, "dm-1", "dm-1");
        fake_host_add_slave(host, "dm-1", "sda");
        fake_host_add_mount(host, "254:0", "/", "ext4", "/dev/dm-0");
}

static void make_hostile_names(FakeHost *host) {
        fake_host_add_disk(host, SATA, "8:0");
        fake_host_add_mount(host, "8:0", "/srv/a\\012b\\033[31m\303\244", "ext4", "/dev/sda");
        fake_host_add_input(host, USB "input3", "\033]0;owned\007", true);
}

/* --- network --- */

/* A bridge on a VLAN on a bond of two cards, which also has a guest's tap. */
static void make_bond(FakeHost *host) {
        fake_host_add_interface(host, NIC1);
        fake_host_add_interface(host, NIC2);
        fake_host_add_interface(host, "virtual/net/bond0");
        fake_host_add_interface(host, "virtual/net/bond0.7");
        fake_host_add_interface(host, "virtual/net/vmbr0");
        fake_host_add_interface(host, "virtual/net/tap100i0");
        fake_host_add_lower(host, "vmbr0", "bond0.7");
        fake_host_add_lower(host, "vmbr0", "tap100i0");
        fake_host_add_lower(host, "bond0.7", "bond0");
        fake_host_add_lower(host, "bond0", "eth0");
        fake_host_add_lower(host, "bond0", "eth1");
        fake_host_link(host, "sys/class/net/tap100i0/master", "../vmbr0");
        fake_host_add_default_route(host, "vmbr0");
}

/* The uplink of the bridge is a VM's, which has the card. A VPN is no VM. */
static void make_router(FakeHost *host) {
        static const char *const taps[] = { "tap100i0", "tun0" };

        fake_host_add_interface(host, "virtual/net/vmbr0");
        for (size_t i = 0; i < ARRAY_SIZE(taps); i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "virtual/net/%s", taps[i]);
                fake_host_add_interface(host, path);
                (void)snprintf(path, sizeof(path), "sys/class/net/%s/tun_flags", taps[i]);
                fake_host_write(host, path, i == 0 ? "0x1002\n" : "0x1001\n");
                fake_host_add_lower(host, "vmbr0", taps[i]);
        }
        fake_host_add_default_route(host, "vmbr0");
}

static void make_two_routes(FakeHost *host) {
        fake_host_add_interface(host, NIC1);
        fake_host_add_interface(host, "pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/net/wwan0");
        fake_host_add_default_route(host, "eth0");
        fake_host_add_default_route(host, "eth0");
        fake_host_write(host, "proc/net/ipv6_route",
                        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
                        "fe800000000000000000000000000001 00000400 00000001 00000000 00450003    "
                        "wwan0\n");
}

/* The bridge's own port and the uplink are ports of one datapath. */
static void make_open_vswitch(FakeHost *host) {
        fake_host_add_interface(host, NIC1);
        fake_host_add_interface(host, "virtual/net/vmbr0");
        fake_host_add_interface(host, "virtual/net/ovs-system");
        fake_host_link(host, "sys/class/net/vmbr0/master", "../ovs-system");
        fake_host_add_lower(host, "ovs-system", "vmbr0");
        fake_host_add_lower(host, "ovs-system", "eth0");
        fake_host_add_default_route(host, "vmbr0");
}

static void make_virtual_function(FakeHost *host) {
        fake_host_add_interface(host, "pci0000:00/0000:00:1c.0/0000:05:10.0/net/eth0v0");
        fake_host_add_function(host, "0000:05:10.0", .id = "8086:10ed", .class_code = 0x020000);
        fake_host_link(host, "sys/bus/pci/devices/0000:05:10.0/physfn", "../0000:05:00.0");
        fake_host_add_default_route(host, "eth0v0");
}

static void make_routes_to_nowhere(FakeHost *host) {
        fake_host_add_interface(host, "virtual/net/wg0");
        fake_host_add_interface(host, NIC1);
        fake_host_add_default_route(host, "wg0");
        fake_host_add_default_route(host, "gone0");
}

/* --- keyboards --- */

static void make_keyboards(FakeHost *host) {
        fake_host_add_input(host, "platform/i8042/serio0/input/input0", "AT keyboard", true);
        fake_host_add_input(host, "LNXSYSTM:00/LNXPWRBN:00/input/input1", "Power Button", false);
        fake_host_add_input(host, USB "input2", "Model M", true);
        fake_host_add_input(host, USB "input3", "Model M buttons", false);
        fake_host_add_input(host, "virtual/input/input4", "keyd virtual keyboard", true);
        fake_host_write(host, "sys/class/input/event0/device/name", "no input device\n");
}

static void make_nothing(FakeHost *host) {
        (void)host;
}

static const Row rows[] = {
        { "a machine that was captured without any of it", make_nothing, "" },
        { "partitions of a disk, mounted more than once", make_plain_disk,
          "essential: sda2, which holds /," AT_SATA
          "essential: sda1, which holds /boot/efi," AT_SATA },
        { "root on LVM on LUKS on a RAID of two NVMe disks", make_stack,
          "essential: nvme0n1p3, which holds / through md0, luks-pv and pve-root," AT_SSD1
          "essential: nvme1n1p3, which holds / through md0, luks-pv and pve-root," AT_SSD2 },
        { "a partition of a RAID", make_partition_of_a_raid,
          "storage: nvme0n1, which holds /srv through md0p1," AT_SSD1 },
        { "a disk that the system and others use", make_shared_disk,
          "essential: sda, which holds /var through dm-1," AT_SATA },
        { "swap on a partition, a mapped device and a file", make_swaps,
          "essential: sda1, which holds swap," AT_SATA
          "essential: nvme0n1, which holds swap through swap," AT_SSD1
          "essential: nvme1n1, which holds swap," AT_SSD2 },
        { "btrfs on two disks, one of them encrypted", make_btrfs,
          "essential: nvme0n1, which holds / through crypt," AT_SSD1
          "essential: nvme1n1, which holds /," AT_SSD2 },
        { "an NVMe disk with two controllers", make_nvme_subsystem,
          "essential: nvme0n1p2, which holds /," AT_SSD1
          "essential: nvme0n1p2, which holds /," AT_SSD2 },
        { "an NVMe disk behind a volume management device", make_vmd,
          "essential: nvme0n1, which holds /, [0000:00:0e.0 10000:00:02.0 10000:01:00.0]\n" },
        { "ZFS on several disks, one of them encrypted", make_zfs,
          "essential: nvme0n1p3, which holds / through pool rpool," AT_SSD1
          "essential: nvme1n1, which holds / through crypt and pool rpool," AT_SSD2
          "essential: sdb, which holds / through pool rpool," AT_USB
          "storage: sda, which holds /tank through pool rpool2," AT_SATA },
        { "ZFS whose disks nobody tells of", make_zfs_without_udev,
          "essential: nvme0n1p1, which holds /boot," AT_SSD1
          "essential: nvme0n1, which may hold / (zfs, whose disks are not known)," AT_SSD1
          "essential: sda, which may hold / (zfs, whose disks are not known)," AT_SATA },
        { "a live system", make_live_system,
          "essential: sdb1, which holds / through loop0," AT_USB },
        { "a live system whose layers are not to be seen", make_live_system_unseen,
          "essential: sdb, which may hold / (overlay, whose disks are not known)," AT_USB },
        { "an image-based system", make_composefs,
          "essential: nvme0n1, which holds /sysroot," AT_SSD1
          "storage: sda, which holds /srv," AT_SATA },
        { "a file system that is not known", make_unknown,
          "essential: sda, which holds /," AT_SATA
          "essential: nvme0n1, which may hold /var (bcachefs, whose disks are not known)," AT_SSD1 },
        { "a swap file of a file system that is not known", make_unknown_swap,
          "essential: sda, which holds /," AT_SATA
          "essential: nvme0n1, which may hold swap (/srv/swapfile, whose disks are not known)," AT_SSD1 },
        { "swap on a loop device whose file is not found", make_swap_on_a_lost_loop,
          "essential: nvme0n1, which may hold swap (/dev/loop0, whose disks are not known)," AT_SSD1
          "essential: sda, which may hold swap (/dev/loop0, whose disks are not known)," AT_SATA },
        { "swap on a loop device whose file has a long name", make_swap_on_a_long_loop,
          "essential: nvme0n1, which may hold swap (/dev/loop0, whose disks are not known)," AT_SSD1
          "essential: sda, which may hold swap (/dev/loop0, whose disks are not known)," AT_SATA },
        { "a system on a volume of ZFS", make_zvols,
          "essential: sda, which may hold / (ext4, whose disks are not known)," AT_SATA },
        { "swap on a volume of ZFS", make_swap_on_a_zvol,
          "essential: sda, which may hold swap (/dev/zd16, whose disks are not known)," AT_SATA },
        { "a system on the network", make_diskless, "" },
        { "file systems without a disk of their own", make_disks_that_are_none, "" },
        { "mapped devices in a circle", make_circle,
          "essential: sda, which holds / through dm-1 and dm-0," AT_SATA },
        { "names that are made to confuse", make_hostile_names,
          "storage: sda, which holds /srv/a?b?[31m??," AT_SATA
          "input: The keyboard '?]0;owned?' [0000:00:14.0]\n" },

        { "a bridge on a VLAN on a bond of two cards", make_bond,
          "network: eth0, which carries the default route through bond0, bond0.7 and "
          "vmbr0," AT_NIC1
          "network: eth1, which carries the default route through bond0, bond0.7 and "
          "vmbr0," AT_NIC2 },
        { "a bridge whose uplink is a virtual machine", make_router,
          "network: tap100i0, which carries the default route through vmbr0, []\n" },
        { "a route of IPv4 twice, and one of IPv6", make_two_routes,
          "network: eth0, which carries the default route," AT_NIC1
          "network: wwan0, which carries the default route, [0000:00:14.0]\n" },
        { "a port of Open vSwitch", make_open_vswitch,
          "network: eth0, which carries the default route through ovs-system and "
          "vmbr0," AT_NIC1 },
        { "a virtual function hangs on its physical one", make_virtual_function,
          "network: eth0v0, which carries the default route, [0000:00:1c.0 0000:05:00.0 "
          "0000:05:10.0=]\n" },
        { "routes to a tunnel and to nowhere", make_routes_to_nowhere, "" },

        { "keyboards, buttons, and what only looks like a keyboard", make_keyboards,
          "input: The keyboard 'AT keyboard' []\n"
          "input: The keyboard 'Model M' [0000:00:14.0]\n" },
};

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A directory has no order, so a row's lines are compared sorted; but what is essential must come
 * first. */
static void sort_lines(const char *text, char *ret, size_t size) {
        char copy[4096], *lines[64], *cursor = copy;
        size_t n = 0, used = 0;

        (void)snprintf(copy, sizeof(copy), "%s", text);
        for (char *line = strtok_r(cursor, "\n", &cursor); line;
             line = strtok_r(NULL, "\n", &cursor))
                lines[n++] = line;
        if (n > 0)
                qsort(lines, n, sizeof(lines[0]), compare_lines);
        ret[0] = '\0';
        for (size_t i = 0; i < n; i++)
                used += (size_t)snprintf(ret + used, size - used, "%s\n", lines[i]);
}

static void describe(const Needs *needs, char *text, size_t size) {
        static const char *const words[] = { "network", "storage", "input" };
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < needs->n_needs; i++) {
                const Need *need = &needs->needs[i];

                n += (size_t)snprintf(text + n, size - n, "%s: %s [",
                                      need->is_essential ? "essential" : words[need->kind],
                                      need->chain);
                for (size_t j = 0; j < need->n_path; j++) {
                        char address[PCI_ADDRESS_SIZE];

                        n += (size_t)snprintf(text + n, size - n, "%s%s", j > 0 ? " " : "",
                                              pci_address_format(need->path[j], address));
                }
                n += (size_t)snprintf(text + n, size - n, "%s]\n", need->is_function ? "=" : "");
        }
}

static void test_row(void **state) {
        const Row *row = *state;
        FakeHost *fake = fake_host_new();
        char text[4096], found[4096], wanted[4096];
        _cleanup_(root_close) Root root = ROOT_NULL;
        Needs *needs = calloc(1, sizeof(*needs));
        bool others = false;

        assert_non_null(needs);
        row->make(fake);
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(reachability_scan(&root, needs), 0);
        describe(needs, text, sizeof(text));
        sort_lines(text, found, sizeof(found));
        sort_lines(row->needs, wanted, sizeof(wanted));
        assert_string_equal(found, wanted);
        for (size_t i = 0; i < needs->n_needs; i++) {
                assert_false(others && needs->needs[i].is_essential);
                others |= !needs->needs[i].is_essential;
        }
        free(needs);
        fake_host_freep(&fake);
}

/* --- limits --- */

static int scan_fake(FakeHost *fake) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        Needs *needs = calloc(1, sizeof(*needs));
        int r;

        assert_non_null(needs);
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        r = reachability_scan(&root, needs);
        free(needs);
        return r;
}

/* More than can be looked at is an error, not an oversight. */
static void test_too_many(void **state) {
        FakeHost *fake = fake_host_new();
        char where[128], number[32], point[32];

        (void)state;
        for (int i = 0; i <= NEEDS_MAX; i++) {
                (void)snprintf(where, sizeof(where), SATA "/sda%d", i);
                (void)snprintf(number, sizeof(number), "259:%d", i);
                (void)snprintf(point, sizeof(point), "/mnt/%d", i);
                fake_host_add_disk(fake, where, number);
                fake_host_add_mount(fake, number, point, "ext4", "/dev/sda");
                if (i == NEEDS_MAX - 1)
                        assert_int_equal(scan_fake(fake), 0);
        }
        assert_int_equal(scan_fake(fake), -ENOSPC);
        fake_host_freep(&fake);
}

static void test_deep(void **state) {
        FakeHost *fake = fake_host_new();
        char where[1024] = "pci0000:00";
        size_t n = strlen(where);

        (void)state;
        for (unsigned i = 0; i <= NEED_PATH_MAX; i++)
                n += (size_t)snprintf(where + n, sizeof(where) - n, "/0000:%02x:00.0", i);
        (void)snprintf(where + n, sizeof(where) - n, "/net/eth0");
        fake_host_add_interface(fake, where);
        assert_int_equal(scan_fake(fake), 0);
        fake_host_add_default_route(fake, "eth0");
        assert_int_equal(scan_fake(fake), -ENOSPC);
        fake_host_freep(&fake);
}

/* --- with the planner --- */

typedef struct Guard {
        Config config;
        Host host;
        RunState state;
        Plan plan;
        Needs needs;
} Guard;

static RefusalKind plan_on(FakeHost *fake, const char *mode, bool unreadable, Refusal *refusal) {
        static const char text[] = "[device nic]\naddress = 0000:05:00.0\n[mode a]\nvfio-devices = "
                                   "nic\n[mode host]\nvfio-devices = nic\n";
        ConfigSource source = { "test", text, strlen(text) };
        _cleanup_(root_close) Root root = ROOT_NULL;
        Guard *guard = calloc(1, sizeof(*guard));
        PlanInput input;
        ConfigErrors errors;
        RefusalKind kind;

        assert_non_null(guard);
        input = (PlanInput){ &guard->config, &guard->host, &guard->state, mode, false, false };
        assert_int_equal(config_parse(&source, 1, &guard->config, &errors), 0);
        guard->host.iommu = true;
        guard->host.n_functions = 1;
        guard->host.functions[0] =
                (Function){ .address = { 0, 5, 0, 0 }, .driver = "e1000e", .iommu_group = 1 };
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        if (unreadable)
                fake_host_write(fake, "proc/net/route/directory", "");
        kind = host_plan_make(&root, &input, &guard->plan, refusal);
        free(guard);
        return kind;
}

static void test_plan(void **state) {
        FakeHost *fake = fake_host_new();
        Refusal refusal;

        (void)state;
        assert_int_equal(plan_on(fake, "a", false, &refusal), REFUSAL_NONE);
        make_bond(fake);
        assert_int_equal(plan_on(fake, "a", false, &refusal), REFUSAL_WOULD_CUT_NETWORK);
        assert_non_null(strstr(refusal.text, "eth0, which carries the default route through bond0, "
                                             "bond0.7 and vmbr0, is 0000:05:00.0 of device 'nic'"));
        assert_int_equal(plan_on(fake, "host", false, &refusal), REFUSAL_NONE);
        fake_host_remove(fake, "proc/net/route");
        /* What cannot be read is not taken for "nothing is needed", but for the way back. */
        assert_int_equal(plan_on(fake, "a", true, &refusal), REFUSAL_FAILED);
        assert_int_equal(plan_on(fake, "host", false, &refusal), REFUSAL_NONE);
        fake_host_freep(&fake);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "more mounted disks than are looked at", test_too_many, NULL);
        table_add(&table, "a function below more bridges than there can be", test_deep, NULL);
        table_add(&table, "a plan for the machine that is there", test_plan, NULL);
        return table_run("reachability-scan", &table);
}
