/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the boot environment may live: every kind of place, and the sentence where it may not. */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot-machine.h"
#include "boot/efi-one-shot.h"
#include "boot/file-check.h"
#include "model/env-block.h"
#include "table.h"

#define NO_ESP_UUID ""
#define NONE                       \
        {                          \
                {                  \
                        NULL, NULL \
                }                  \
        }

/* A mount table, what else there is, and what comes of it. */
typedef struct Row {
        const char *title;
        const char *mounts;
        const char *files[4][2]; /* path, content */
        const char *path;        /* "": none */
        const char *says;        /* part of the refusal; NULL: none */
} Row;

#define GRUB_CFG "boot/grub/grub.cfg"
#define LOOKS_BESIDE GRUB_SCRIPT_MARK "\nset vfio_file=\"${prefix}/vfio-mode/vfio-mode.env\"\n"
#define LOOKS_ON(uuid) GRUB_SCRIPT_MARK "\nsearch --no-floppy --fs-uuid --set=vfio_root " uuid "\n"
#define ROOT_ON(type, device, options) \
        "21 1 " device " / / rw shared:1 - " type " source " options "\n"
#define DM "253:0"
#define MD "9:0"
#define LOOP "7:0"
#define ZVOL "230:0"
#define NVME "259:0"
#define CRYPT "253:1"
#define MULTIPATH "253:2"
#define MD_PART "259:7"
#define DM_PART "253:3"

static const Row rows[] = {
        { "ext4 on a partition", MOUNT_ROOT MOUNT_ESP, NONE, BLOCK, NULL },
        { "ext2", ROOT_ON("ext2", "8:2", "rw"), NONE, BLOCK, NULL },
        { "ext3", ROOT_ON("ext3", "8:2", "rw"), NONE, BLOCK, NULL },
        { "XFS", ROOT_ON("xfs", "8:2", "rw,attr2,inode64"), NONE, BLOCK, NULL },
        { "/boot on FAT", MOUNT_ROOT "30 21 8:1 / /boot rw - vfat /dev/sda1 rw\n", NONE, BLOCK,
          NULL },
        { "a whole disk", ROOT_ON("ext4", "8:0", "rw"), NONE, BLOCK, NULL },
        { "NVMe with multipath, which is below sys/devices/virtual", ROOT_ON("ext4", NVME, "rw"),
          NONE, BLOCK, NULL },
        { "a /boot of its own below a root that GRUB cannot write",
          ROOT_ON("btrfs", "0:40", "rw") "30 21 8:1 / /boot rw - ext4 /dev/sda1 rw\n", NONE, BLOCK,
          NULL },
        { "a service's namespace: bound read-only, and written all the same",
          "21 1 8:2 / / ro,relatime - ext4 /dev/sda2 rw\n"
          "33 21 8:2 /boot/grub/vfio-mode /boot/grub/vfio-mode rw - ext4 /dev/sda2 rw\n",
          NONE, BLOCK, NULL },
        { "two mounts at one place: the later one", ROOT_ON("btrfs", "0:40", "rw") MOUNT_ROOT, NONE,
          BLOCK, NULL },
        { "a mount whose name only begins the same",
          MOUNT_ROOT "30 21 0:40 / /boo rw - btrfs x rw\n31 21 0:40 / /boot/gru rw - btrfs x rw\n",
          NONE, BLOCK, NULL },
        { "a mount point with a blank",
          "30 21 0:40 / /boot\\040two rw - btrfs /dev/x rw\n" MOUNT_ROOT, NONE, BLOCK, NULL },

        { "btrfs", ROOT_ON("btrfs", "0:40", "rw"), NONE, "", "/boot/grub is on btrfs" },
        { "ZFS", ROOT_ON("zfs", "0:40", "rw"), NONE, "", "is on ZFS" },
        { "an overlay", ROOT_ON("overlay", "0:40", "rw"), NONE, "", "is on an overlay" },
        { "F2FS", ROOT_ON("f2fs", "8:2", "rw"), NONE, "", "is on F2FS" },
        { "bcachefs", ROOT_ON("bcachefs", "8:2", "rw"), NONE, "", "is on bcachefs" },
        { "another file system", ROOT_ON("nfs4", "0:40", "rw"), NONE, "",
          "is on nfs4, a file system on which GRUB cannot write" },
        { "LVM", ROOT_ON("ext4", DM, "rw"), NONE, "", "is on LVM, which GRUB reads" },
        { "LUKS", ROOT_ON("ext4", CRYPT, "rw"), NONE, "", "is on an encrypted disk" },
        { "another device mapper", ROOT_ON("ext4", MULTIPATH, "rw"), NONE, "",
          "is on a device-mapper device" },
        { "md RAID", ROOT_ON("ext4", MD, "rw"), NONE, "", "is on a software RAID" },
        { "a partition of md RAID", ROOT_ON("ext4", MD_PART, "rw"), NONE, "",
          "is on a software RAID" },
        { "a partition of a device mapper's", ROOT_ON("ext4", DM_PART, "rw"), NONE, "",
          "is on a device-mapper device" },
        { "a loop device", ROOT_ON("ext4", LOOP, "rw"), NONE, "", "is on a loop device" },
        { "another virtual block device", ROOT_ON("ext4", ZVOL, "rw"), NONE, "",
          "is on a virtual block device" },
        { "no block device", ROOT_ON("ext4", "0:44", "rw"), NONE, "", "is not on a block device" },
        { "ext4 with data=journal", ROOT_ON("ext4", "8:2", "rw,data=journal"), NONE, "",
          "with data=journal" },
        { "ext4 with data=journal from its super block",
          ROOT_ON("ext4", "8:2", "rw,nodioread_nolock,nodelalloc"),
          { { "proc/fs/ext4/sda2/options", "rw\nnodelalloc\ndata=journal\n" } },
          "",
          "with data=journal" },
        { "the same, where the kernel does not show it",
          ROOT_ON("ext4", "8:2", "rw,nodioread_nolock,nodelalloc"), NONE, "", "with data=journal" },
        { "ext4 without delayed allocation",
          ROOT_ON("ext4", "8:2", "rw,nodelalloc"),
          { { "proc/fs/ext4/sda2/options", "rw\nnodelalloc\ndata=ordered\n" } },
          BLOCK,
          NULL },
        { "a read-only super block", ROOT_ON("ext4", "8:2", "ro,errors=remount-ro"), NONE, "",
          "mounted read-only" },
        { "XFS with a real-time device", ROOT_ON("xfs", "8:2", "rw,rtdev=/dev/sdb1"), NONE, "",
          "real-time device" },
        { "no mount at all", "\n", NONE, "", "is in no mounted file system" },

        { "LVM and an ESP: Proxmox's default", ROOT_ON("ext4", DM, "rw") MOUNT_ESP, NONE, ESP_BLOCK,
          NULL },
        { "the ESP at /efi",
          ROOT_ON("btrfs", "0:40", "rw") "30 21 8:1 / /efi rw - vfat x rw\n",
          { { "efi/EFI/debian/x", "" } },
          "efi/EFI/vfio-mode/vfio-mode.env",
          NULL },
        { "GRUB looks on the ESP, where it once had to",
          MOUNT_ROOT MOUNT_ESP,
          { { GRUB_CFG, LOOKS_ON("1A2B-3C4D") } },
          ESP_BLOCK,
          NULL },
        { "GRUB looks on an ESP that is not mounted",
          MOUNT_ROOT,
          { { GRUB_CFG, LOOKS_ON("1A2B-3C4D") } },
          "",
          "GRUB looks for the boot environment on the ESP 1A2B-3C4D, and no ESP is mounted: mend "
          "that, or run \"update-grub\", which looks for another place. By hand" },
        { "GRUB looks on another ESP",
          MOUNT_ROOT MOUNT_ESP,
          { { GRUB_CFG, LOOKS_ON("5E6F-7A8B") } },
          "",
          "and the ESP at /boot/efi is not the one on which GRUB looks" },
        { "GRUB looks beside its grub.cfg, where it cannot write any more",
          ROOT_ON("ext4", "8:2", "ro") MOUNT_ESP,
          { { GRUB_CFG, LOOKS_BESIDE } },
          "",
          "GRUB looks for the boot environment beside its grub.cfg, and /boot/grub is on a file "
          "system that is mounted read-only: mend that, or run" },
        { "GRUB looks beside its grub.cfg",
          MOUNT_ROOT MOUNT_ESP,
          { { GRUB_CFG, LOOKS_BESIDE } },
          BLOCK,
          NULL },
        { "no ESP", ROOT_ON("ext4", DM, "rw"), NONE, "",
          "/boot/grub is on LVM, which GRUB reads but does not write, and no ESP is mounted. By "
          "hand" },
        { "an ESP on RAID",
          ROOT_ON("ext4", DM, "rw") "30 21 9:0 / /boot/efi rw - vfat /dev/md0 rw\n", NONE, "",
          "and the ESP at /boot/efi is on a software RAID" },
        { "a read-only ESP",
          ROOT_ON("ext4", DM, "rw") "30 21 8:1 / /boot/efi rw - vfat /dev/sda1 ro\n", NONE, "",
          "and the ESP at /boot/efi is on a file system that is mounted read-only" },
        { "an ESP without UUID",
          ROOT_ON("ext4", DM, "rw") MOUNT_ESP,
          { { "run/udev/data/b8:1", "S:disk/by-path/x\n" } },
          "",
          "has no file system UUID" },
        { "an ESP whose UUID is none of FAT's",
          ROOT_ON("ext4", DM, "rw") MOUNT_ESP,
          { { "run/udev/data/b8:1", "I:1\nE:ID_FS_UUID=$(reboot)\n" } },
          "",
          "has no file system UUID" },
        { "a directory of the ESP, mounted there",
          ROOT_ON("ext4", DM, "rw") "30 21 8:1 /EFI /boot/efi rw - vfat /dev/sda1 rw\n", NONE, "",
          "no ESP is mounted" },

        { "GRUB in boot/grub2",
          MOUNT_ROOT,
          { { "boot/grub2/grub.cfg", "" }, { "-boot/grub", "" } },
          "boot/grub2/vfio-mode/vfio-mode.env",
          NULL },
        { "no grub.cfg at all",
          MOUNT_ROOT,
          { { "-boot/grub", "" } },
          "",
          "boots by an unknown boot loader" },
        { "Fedora's entry files",
          MOUNT_ROOT,
          { { "boot/grub/grub.cfg", "blscfg\n" }, { "boot/loader/entries/a.conf", "" } },
          "",
          "boots by GRUB with entry files, which vfio-mode cannot tell the next boot's mode. By "
          "hand, for one boot: press e" },
        { "entry files beside our script, which was written for what they are not",
          MOUNT_ROOT,
          { { "boot/grub/grub.cfg", "### vfio-mode environment ###\nblscfg\n" },
            { "boot/loader/entries/a.conf", "" } },
          BLOCK,
          NULL },
        { "entry files that nothing reads",
          MOUNT_ROOT,
          { { "boot/loader/entries/a.conf", "" } },
          BLOCK,
          NULL },
        { "proxmox-boot-tool",
          MOUNT_ROOT,
          { { "etc/kernel/proxmox-boot-uuids", "1A2B-3C4D\n" } },
          "",
          "proxmox-boot-tool refresh" },
        { "proxmox-boot-tool, installed and not used",
          MOUNT_ROOT,
          { { "etc/kernel/proxmox-boot-uuids", "" } },
          BLOCK,
          NULL },
        { "a block of another size", MOUNT_ROOT, { { BLOCK, "#2000" } }, "", "1024 bytes" },
        { "a half-made block", MOUNT_ROOT, { { BLOCK, "#100" } }, BLOCK, NULL },
        { "a block of the right size", MOUNT_ROOT, { { BLOCK, "#1024" } }, BLOCK, NULL },
};

static void add_odd_disks(BootMachine *machine) {
        FakeHost *fake = machine->fake;

        boot_machine_disk(machine, DM, "virtual/block/dm-0", false);
        fake_host_write(fake, "sys/devices/virtual/block/dm-0/dm/uuid", "LVM-abc\n");
        boot_machine_disk(machine, CRYPT, "virtual/block/dm-1", false);
        fake_host_write(fake, "sys/devices/virtual/block/dm-1/dm/uuid", "CRYPT-LUKS2-abc\n");
        boot_machine_disk(machine, MULTIPATH, "virtual/block/dm-2", false);
        fake_host_write(fake, "sys/devices/virtual/block/dm-2/dm/uuid", "mpath-abc\n");
        boot_machine_disk(machine, DM_PART, "virtual/block/dm-2/dm-2p1", true);
        boot_machine_disk(machine, MD, "virtual/block/md0", false);
        fake_host_write(fake, "sys/devices/virtual/block/md0/md/level", "raid1\n");
        boot_machine_disk(machine, MD_PART, "virtual/block/md0/md0p1", true);
        boot_machine_disk(machine, LOOP, "virtual/block/loop0", false);
        fake_host_write(fake, "sys/devices/virtual/block/loop0/loop/backing_file", "/x\n");
        boot_machine_disk(machine, ZVOL, "virtual/block/zd0", false);
        boot_machine_disk(machine, NVME, "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", false);
}

static void write_file(BootMachine *machine, const char *path, const char *content) {
        size_t size = content[0] == '#' ? (size_t)atoi(content + 1) : 0;
        _cleanup_free_ char *bytes = NULL;

        if (path[0] == '-') {
                fake_host_remove(machine->fake, path + 1);
        } else if (size > 0) {
                bytes = calloc(1, size);
                fake_host_write_bytes(machine->fake, path, bytes, size);
        } else {
                fake_host_write(machine->fake, path, content);
        }
}

static void test_row(void **state) {
        const Row *row = *state;
        void *made = NULL;
        BootMachine *machine;
        BootPlace place;

        (void)boot_machine_set_up(&made);
        machine = made;
        add_odd_disks(machine);
        boot_machine_mounts(machine, row->mounts);
        for (size_t i = 0; i < ARRAY_SIZE(row->files) && row->files[i][0]; i++)
                write_file(machine, row->files[i][0], row->files[i][1]);
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_string_equal(place.path, row->path);
        if (row->says) {
                assert_int_equal(place.why_not.kind, REFUSAL_NOT_SUPPORTED);
                assert_non_null(strstr(place.why_not.text, row->says));
                /* No sentence is cut. */
                assert_true(strlen(place.why_not.text) < REFUSAL_TEXT_SIZE - 1);
        } else {
                assert_int_equal(place.why_not.kind, REFUSAL_NONE);
        }
        assert_string_equal(place.esp_uuid, strstr(place.path, "EFI/") ? "1A2B-3C4D" : NO_ESP_UUID);
        (void)boot_machine_tear_down(&made);
}

/* --- boot loaders --- */

static void write_efi_text(BootMachine *machine, const char *name, const char *text) {
        char bytes[256] = { 6 }, path[256];
        size_t size = 4;

        for (; *text; text++, size += 2)
                bytes[size] = *text;
        (void)snprintf(path, sizeof(path),
                       EFI_VARIABLES_DIR "/%s-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", name);
        fake_host_write_bytes(machine->fake, path, bytes, size + 2);
}

static void test_loader_variables(void **state) {
        BootMachine *machine = *state;
        BootPlace place;

        write_efi_text(machine, "LoaderInfo", "GRUB 2.12-1");
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_int_equal(place.loader, BOOT_LOADER_GRUB);
        assert_true(place.has_scripts);
        write_efi_text(machine, "StubInfo", "systemd-stub 257");
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_int_equal(place.loader, BOOT_LOADER_UKI);
        assert_non_null(strstr(place.why_not.text, "efibootmgr --bootnext"));
        write_efi_text(machine, "LoaderInfo", "systemd-boot 257");
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_int_equal(place.loader, BOOT_LOADER_SYSTEMD_BOOT);
        assert_non_null(strstr(place.why_not.text, "bootctl set-oneshot"));
        assert_string_equal(place.path, "");
}

static void test_names(void **state) {
        for (unsigned loader = 0; loader < _BOOT_LOADER_MAX; loader++) {
                assert_true(strlen(boot_loader_name((BootLoader)loader)) > 0);
                assert_non_null(strstr(boot_loader_manual_route((BootLoader)loader), "vfio_mode="));
                assert_true(strlen(boot_loader_words((BootLoader)loader)) > 0);
        }
}

static void test_scripts(void **state) {
        BootMachine *machine = *state;
        size_t size = 4 * 1024 * 1024 + 1;
        _cleanup_free_ char *large = calloc(1, size + 1);
        BootPlace place;

        fake_host_write(machine->fake, "boot/grub/grub.cfg", "set timeout=5\n");
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_false(place.has_scripts);
        (void)memset(large, '#', size);
        fake_host_write(machine->fake, "boot/grub/grub.cfg", large);
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_false(place.has_scripts);
        assert_string_equal(place.grub_directory, "boot/grub");
}

static void test_no_mountinfo(void **state) {
        BootMachine *machine = *state;
        BootPlace place;

        fake_host_remove(machine->fake, "proc/self/mountinfo");
        assert_int_equal(boot_place_find(&machine->root, &place), -ENOENT);
        assert_string_equal(place.path, "");
        assert_int_equal(place.why_not.kind, REFUSAL_NOT_SUPPORTED);
}

static void test_uuid_by_link(void **state) {
        BootMachine *machine = *state;
        BootPlace place;

        boot_machine_mounts(machine, "21 1 0:40 / / rw - btrfs x rw\n" MOUNT_ESP);
        fake_host_remove(machine->fake, "run/udev");
        fake_host_write(machine->fake, "dev/disk/by-uuid/.keep", "");
        boot_machine_link(machine, "../../sda2", "dev/disk/by-uuid/0b1c");
        boot_machine_link(machine, "../../sda1", "dev/disk/by-uuid/5E6F-7A8B");
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_string_equal(place.path, ESP_BLOCK);
        assert_string_equal(place.esp_uuid, "5E6F-7A8B");
}

static void test_links(void **state) {
        BootMachine *machine = *state;
        BootPlace place;

        assert_int_equal(renameat(machine->root.fd, "boot/grub", machine->root.fd, "boot/there"),
                         0);
        boot_machine_link(machine, "there", "boot/grub");
        boot_machine_mounts(machine, MOUNT_ROOT);
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_non_null(strstr(place.why_not.text, "is reached through a symbolic link"));
}

static void test_block_is_a_link(void **state) {
        BootMachine *machine = *state;
        BootPlace place;

        fake_host_write(machine->fake, "boot/grub/vfio-mode/there", "");
        boot_machine_link(machine, "there", BLOCK);
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_string_equal(place.path, "");
        assert_string_equal(place.unfit_path, BLOCK);
        assert_non_null(strstr(place.why_not.text, "is a symbolic link"));
}

static void test_block_with_two_names(void **state) {
        BootMachine *machine = *state;
        BootPlace place;

        write_file(machine, BLOCK, "#1024");
        assert_int_equal(linkat(machine->root.fd, BLOCK, machine->root.fd, "boot/copy", 0), 0);
        assert_int_equal(boot_place_find(&machine->root, &place), 0);
        assert_string_equal(place.path, "");
        assert_string_equal(place.unfit_path, BLOCK);
        assert_non_null(strstr(place.why_not.text, "more than one name"));
}

/* --- files --- */

static void test_extents(void **state) {
        assert_null(file_extents_problem(0));
        assert_null(file_extents_problem(FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED));
        assert_non_null(strstr(file_extents_problem(FIEMAP_EXTENT_SHARED), "shares its blocks"));
        assert_non_null(strstr(file_extents_problem(FIEMAP_EXTENT_ENCODED), "compressed"));
        assert_non_null(strstr(file_extents_problem(FIEMAP_EXTENT_DATA_INLINE), "inode"));
        assert_non_null(strstr(file_extents_problem(FIEMAP_EXTENT_DELALLOC), "no blocks"));
        assert_non_null(strstr(file_extents_problem(FIEMAP_EXTENT_UNKNOWN), "no blocks"));
        assert_non_null(strstr(file_extents_problem(FIEMAP_EXTENT_UNWRITTEN), "no blocks"));
}

/* A file of this very machine, as FIEMAP shows it, where its file system can. */
static void test_live_file(void **state) {
        static const Root live = { .fd = -1, .is_live = true };
        char full[] = "/var/tmp/boot-place-XXXXXX", holed[] = "/var/tmp/boot-place-XXXXXX";
        _cleanup_close_ int fd = mkstemp(full), hole = mkstemp(holed);
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        Refusal refusal = { 0 };
        char bytes[ENV_BLOCK_SIZE] = { 0 };
        RefusalKind kind;

        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        assert_int_equal(ftruncate(hole, sizeof(bytes)), 0);
        kind = boot_place_check_file(&live, fd, "full", &refusal);
        assert_int_equal(boot_place_check_file(&live, null, "null", &refusal),
                         REFUSAL_NOT_SUPPORTED);
        assert_non_null(strstr(refusal.text, "is not a plain file"));
        assert_int_equal(boot_place_check_file(&live, hole, "hole", &refusal),
                         REFUSAL_NOT_SUPPORTED);
        assert_int_equal(unlink(full) + unlink(holed), 0);
        if (kind != REFUSAL_NONE) {
                /* It may well be on btrfs or in memory: then all are refused. */
                assert_non_null(strstr(refusal.text, "/hole cannot be written safely: it"));
                return;
        }
        assert_non_null(strstr(refusal.text, "has a hole"));
}

#define ON_MACHINE(title, function) \
        { (title), (function), boot_machine_set_up, boot_machine_tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("boot loaders by their EFI variables", test_loader_variables),
                { "every boot loader has a name and a manual route", test_names, NULL, NULL, NULL },
                ON_MACHINE("our script in grub.cfg, and a grub.cfg that is too large",
                           test_scripts),
                ON_MACHINE("no /proc/self/mountinfo", test_no_mountinfo),
                ON_MACHINE("the ESP's UUID by /dev/disk/by-uuid", test_uuid_by_link),
                ON_MACHINE("GRUB's directory is a symbolic link", test_links),
                ON_MACHINE("the block is a symbolic link", test_block_is_a_link),
                ON_MACHINE("the block has a second name", test_block_with_two_names),
                { "what extents say", test_extents, NULL, NULL, NULL },
                { "a file of this machine, and one with a hole", test_live_file, NULL, NULL, NULL },
        };
        static Table table;

        TABLE_ROWS(&table, test_row, rows);
        for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
                table.tests[table.n_tests++] = tests[i];
        return table_run("boot-place", &table);
}
