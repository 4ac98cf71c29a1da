/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read by whom stands in the sources of host/ and boot/; here it is once more, as patterns.
 * Below sys/devices the names of attributes count, since there are no others that anybody reads:
 * serial numbers, addresses and the like never get into a report.
 */
#include <fnmatch.h>
#include <string.h>

#include "capture.h"
#include "model/redact.h"

#define TEXT(pattern_) PART(pattern_, TEXT)
#define PART(pattern_, what_) \
        { .pattern = (pattern_), .kind = CAPTURE_FILE, .what = REDACT_FILE_##what_ }
#define LINK(pattern_) { .pattern = (pattern_), .kind = CAPTURE_LINK }
#define NAME(pattern_) { .pattern = (pattern_), .kind = CAPTURE_NAME }
#define TREE(pattern_) { .pattern = (pattern_), .kind = CAPTURE_TREE }

const CaptureRow capture_rows[] = {
        /* This project's own. */
        TEXT("etc/vfio-mode.ini"),
        TEXT("etc/vfio-mode.ini.d/*.ini"),
        TEXT("run/vfio-mode/*"),
        TEXT("run/vfio-mode/inspect/*"),
        TEXT("run/vfio-mode/vfio/*"),
        TEXT("run/vfio-moded/*"),
        TEXT("run/vfio-moded/vm/*"),
        TEXT("run/vfio-mode-guard/*"),
        NAME("var/lib/vfio-mode"), /* without it boots are not counted */
        TEXT("var/lib/vfio-mode/*"),
        NAME("var/lib/vfio-mode/initramfs"),
        TEXT("var/lib/vfio-mode/initramfs/*"),

        /* PCI functions and what hangs below them. */
        LINK("sys/bus/pci/devices/*"),
        TREE("sys/bus/pci/devices"), /* in a described machine they may lie there */
        NAME("sys/bus/pci/drivers/*"),
        NAME("sys/bus/pci/drivers/*/bind"),
        LINK("sys/bus/pci/drivers/*/module"),
        LINK("sys/bus/pci/drivers/*/[0-9a-f]*:*"),
        LINK("sys/bus/platform/devices/*"),
        LINK("sys/class/block/*"),
        LINK("sys/class/drm/*"),
        LINK("sys/class/graphics/*"),
        LINK("sys/class/input/input*"),
        LINK("sys/class/iommu/*"),
        LINK("sys/class/kfd/*"),
        LINK("sys/class/misc/kvm"),
        LINK("sys/class/net/*"),
        LINK("sys/class/nvme-subsystem/*"),
        LINK("sys/class/tty/console"),
        LINK("sys/class/vfio/*"),
        LINK("sys/class/vtconsole/*"),
        LINK("sys/dev/block/*"),
        TREE("sys/devices"),
        LINK("sys/fs/btrfs/*/devices/*"),
        LINK("sys/kernel/iommu_groups/*/devices/*"),
        TEXT("sys/kernel/iommu_groups/*/reserved_regions"),
        TEXT("sys/kernel/iommu_groups/*/type"),
        TEXT("sys/module/*/refcnt"),
        LINK("sys/module/*/holders/*"),
        LINK("sys/module/*/drivers/*"),
        TEXT("sys/module/kvm*/parameters/*"),
        NAME("sys/module/vfio*"),
        TEXT("sys/module/vfio*/parameters/*"),

        /* The machine, its firmware and its kernel. */
        TEXT("proc/cmdline"),
        PART("proc/cpuinfo", CPUINFO),
        TEXT("proc/devices"),
        TEXT("proc/driver/nvidia/version"),
        PART("proc/driver/nvidia/gpus/*/information", NVIDIA),
        TEXT("proc/fb"),
        TEXT("proc/fs/*/*/options"),
        PART("proc/iomem", IOMEM),
        TEXT("proc/interrupts"),
        TEXT("proc/meminfo"),
        TEXT("proc/modules"),
        TEXT("proc/sys/kernel/osrelease"),
        TEXT("proc/sys/kernel/random/boot_id"),
        NAME("sys/firmware/acpi/tables/DMAR"),
        NAME("sys/firmware/acpi/tables/IVRS"),
        TEXT("sys/kernel/mm/hugepages/*/[fnrs]*_hugepages"),
        TEXT("sys/devices/system/node/node*/hugepages/*/[fnrs]*_hugepages"),
        TEXT("sys/devices/system/node/online"),
        TEXT("sys/power/state"),

        /* What the host needs: disks and networks. */
        PART("proc/1/mountinfo", MOUNTS),
        PART("proc/self/mountinfo", MOUNTS),
        PART("proc/net/route", ROUTE),
        PART("proc/net/ipv6_route", IPV6_ROUTE),
        TEXT("proc/swaps"),
        LINK("dev/disk/by-uuid/*"),
        LINK("dev/mapper/*"),
        PART("run/udev/data/b*", UDEV),
        PART("run/udev/data/c226:*", UDEV), /* DRM: seats */
        PART("run/udev/data/c29:*", UDEV),  /* framebuffers */
        PART("run/udev/data/c116:*", UDEV), /* sound */

        /* How it boots. */
        NAME("boot/efi"),
        PART("boot/efi/EFI/vfio-mode/vfio-mode.env", BLOCK),
        PART("boot/EFI/vfio-mode/vfio-mode.env", BLOCK),
        PART("boot/grub*/grub.cfg", GRUB),
        NAME("etc/grub.d"),
        NAME("etc/grub.d/*"),
        NAME("boot/grub*/vfio-mode"),
        PART("boot/grub*/vfio-mode/vfio-mode.env", BLOCK),
        NAME("boot/loader/entries"),
        NAME("efi"),
        PART("efi/EFI/vfio-mode/vfio-mode.env", BLOCK),
        PART("etc/default/grub", SETTINGS),
        PART("etc/default/grub.d/*.cfg", SETTINGS),
        TEXT("etc/kernel/cmdline"),
        TEXT("etc/kernel/*-uuids"),
        NAME("sys/firmware/efi/efivars"),
        PART("sys/firmware/efi/efivars/LoaderInfo-*", RAW),
        PART("sys/firmware/efi/efivars/StubInfo-*", RAW),
        PART("sys/firmware/efi/efivars/VfioModeOneShot-*", RAW),
        NAME("usr/sbin/update-grub"),
        NAME("usr/sbin/update-initramfs"),
        NAME("usr/bin/dracut"),
        NAME("usr/bin/mkinitcpio"),
        NAME("lib/modules/*"), /* kernels, of which an initramfs may be stale */
        NAME("lib/modules/*/modules.builtin"),

        /* Who else moves devices. */
        NAME("etc/systemd/system"),
        NAME("usr/lib/systemd/system"),
        NAME("etc/libvirt/hooks"),
        NAME("etc/libvirt/qemu"),
        NAME("etc/pve"),
        NAME("etc/apparmor.d/usr.sbin.libvirtd"),
        NAME("etc/apparmor.d/usr.sbin.virtqemud"),
        TEXT("sys/module/apparmor/parameters/enabled"),
        TEXT("sys/fs/selinux/enforce"),
        TEXT("sys/fs/selinux/booleans/virt_hooks_unconfined"),
        PART("etc/driverctl.d/*", SETTINGS),
        PART("etc/libvirt/hooks/*", SCRIPT),
        PART("etc/libvirt/hooks/*/*", SCRIPT),
        PART("etc/libvirt/hooks/*/*/*/*", SCRIPT),
        PART("etc/libvirt/hooks/*/*/*/*/*", SCRIPT),
        NAME("etc/modprobe.d"),
        PART("etc/modprobe.d/*.conf", SETTINGS),
        PART("etc/modprobe.d/*.alias", SETTINGS),
        NAME("run/modprobe.d"),
        PART("run/modprobe.d/*.conf", SETTINGS),
        PART("run/modprobe.d/*.alias", SETTINGS),
        NAME("usr/local/lib/modprobe.d"),
        PART("usr/local/lib/modprobe.d/*.conf", SETTINGS),
        PART("usr/local/lib/modprobe.d/*.alias", SETTINGS),
        NAME("usr/lib/modprobe.d"),
        PART("usr/lib/modprobe.d/*.conf", SETTINGS),
        PART("usr/lib/modprobe.d/*.alias", SETTINGS),
        NAME("lib/modprobe.d"),
        PART("lib/modprobe.d/*.conf", SETTINGS),
        PART("lib/modprobe.d/*.alias", SETTINGS),
        PART("etc/modules", SETTINGS),
        PART("etc/initramfs-tools/modules", SETTINGS),
        NAME("etc/initramfs-tools/scripts"),
        PART("etc/initramfs-tools/scripts/*", SCRIPT),
        PART("etc/initramfs-tools/scripts/*/*", SCRIPT),
        NAME("etc/initcpio/hooks"),
        PART("etc/initcpio/hooks/*", SCRIPT),
        PART("usr/lib/dracut/modules.d/*vfio*/*", SCRIPT),
        PART("etc/modules-load.d/*.conf", SETTINGS),
        TEXT("etc/prime-discrete"),
        NAME("etc/udev/rules.d/50-remove-nvidia.rules"),
        NAME("usr/lib/udev/rules.d/50-remove-nvidia.rules"),
        NAME("etc/udev/rules.d"),
        PART("etc/udev/rules.d/*.rules", SCRIPT),
        NAME("sys/fs/cgroup/system.slice/supergfxd.service"),
        NAME("sys/fs/cgroup/*/system.slice/supergfxd.service"),
        NAME("sys/fs/cgroup/system.slice/gpu-manager.service"),
        NAME("sys/fs/cgroup/*/system.slice/gpu-manager.service"),
        NAME("sys/fs/cgroup/system.slice/optimus-manager.service"),
        NAME("sys/fs/cgroup/*/system.slice/optimus-manager.service"),
        NAME("sys/fs/cgroup/system.slice/com.system76.PowerDaemon.service"),
        NAME("sys/fs/cgroup/*/system.slice/com.system76.PowerDaemon.service"),
        LINK("etc/systemd/system/supergfxd.service"), /* masked */
        LINK("etc/systemd/system/gpu-manager.service"),
        LINK("etc/systemd/system/optimus-manager.service"),
        LINK("etc/systemd/system/com.system76.PowerDaemon.service"),
        LINK("etc/systemd/system/*.wants/vfio-*"),
        LINK("etc/systemd/system/*.[wr]*s/supergfxd.service"),
        LINK("etc/systemd/system/*.[wr]*s/gpu-manager.service"),
        LINK("etc/systemd/system/*.[wr]*s/optimus-manager.service"),
        LINK("etc/systemd/system/*.[wr]*s/com.system76.PowerDaemon.service"),
        LINK("usr/lib/systemd/system/*.[wr]*s/supergfxd.service"),
        LINK("usr/lib/systemd/system/*.[wr]*s/gpu-manager.service"),
        LINK("usr/lib/systemd/system/*.[wr]*s/optimus-manager.service"),
        LINK("usr/lib/systemd/system/*.[wr]*s/com.system76.PowerDaemon.service"),
        LINK("etc/os-release"),
        TEXT("usr/lib/os-release"),
        { .pattern = NULL },
};

/* None that reads configuration space: it would say nothing of a card that sleeps. */
static const char *const attribute_names[] = { "active",
                                               "boot_vga",
                                               "class",
                                               "d3cold_allowed",
                                               "dev",
                                               "device",
                                               "driver_override",
                                               "enabled",
                                               "modalias",
                                               "numa_node",
                                               "power_state",
                                               "resource[0-9]_resize",
                                               "partition",
                                               "reset_method",
                                               "resource",
                                               "revision",
                                               "ro",
                                               "size",
                                               "sriov_numvfs",
                                               "sriov_totalvfs",
                                               "status",
                                               "subsystem_device",
                                               "subsystem_vendor",
                                               "tun_flags",
                                               "vendor",
                                               NULL };

static const struct {
        const char *directory, *name;
} attribute_rows[] = {
        { "capabilities", "key" }, { "dm", "name" },         { "id", "board_name" },
        { "id", "board_vendor" },  { "id", "bios_version" }, { "id", "bios_date" },
        { "input*", "name" },      { "power", "control" },   { "power", "runtime_status" },
        { "vtcon*", "name" },      { "vtcon*", "bind" },     { "fb[0-9]*", "name" },
};

static const char *const link_names[] = { "device", "driver", "iommu",     "iommu_group", "lower_*",
                                          "master", "physfn", "subsystem", "virtfn*",     NULL };
static const char *const link_directories[] = { "slaves", "holders", "nvme-subsys*", NULL };

static const char *const directory_names[] = { "dm", "loop", "md", "vfio-dev", NULL };

static const char *const left_names[] = {
        "breakpoint", "integrity",     "kprobe",     "mq",     "msi_irqs", "queue",       "queues",
        "statistics", "system",        "tracepoint", "uprobe", "wakeup",   "workqueue",   "msr",
        "cpuid",      "firmware_node", "trace",      "hwmon*", "pci_bus",  "pci_express", "vc",
        "mem",        "power_supply",  "bluetooth",  NULL
};

static bool is_in(const char *const *patterns, const char *name) {
        for (; *patterns; patterns++)
                if (fnmatch(*patterns, name, 0) == 0)
                        return true;
        return false;
}

/* The last component of a path. */
static const char *last(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

bool capture_takes_attribute(const char *directory, const char *name, RedactFile *ret) {
        *ret = REDACT_FILE_TEXT;
        if (strcmp(last(directory), "dm") == 0 && strcmp(name, "uuid") == 0) {
                *ret = REDACT_FILE_FIRST_WORD;
                return true;
        }
        if (strcmp(last(directory), "loop") == 0 && strcmp(name, "backing_file") == 0) {
                *ret = REDACT_FILE_DIRECTORY;
                return true;
        }
        for (size_t i = 0; i < ARRAY_SIZE(attribute_rows); i++)
                if (strcmp(name, attribute_rows[i].name) == 0 &&
                    fnmatch(attribute_rows[i].directory, last(directory), 0) == 0)
                        return true;
        return is_in(attribute_names, name);
}

bool capture_takes_link(const char *directory, const char *name) {
        return is_in(link_names, name) || is_in(link_directories, last(directory));
}

bool capture_takes_directory(const char *name) {
        return is_in(directory_names, name);
}

bool capture_leaves_directory(const char *name) {
        return is_in(left_names, name);
}

static bool have_word(const char *const *patterns, const char *word) {
        while (*patterns && !redact_has_word(*patterns, word))
                patterns++;
        return *patterns;
}

bool capture_has_word(const char *word) {
        for (const CaptureRow *row = capture_rows; row->pattern; row++)
                if (redact_has_word(row->pattern, word))
                        return true;
        for (size_t i = 0; i < ARRAY_SIZE(attribute_rows); i++)
                if (redact_has_word(attribute_rows[i].directory, word) ||
                    redact_has_word(attribute_rows[i].name, word))
                        return true;
        return have_word(attribute_names, word) || have_word(link_names, word) ||
               have_word(link_directories, word) || have_word(directory_names, word) ||
               have_word(left_names, word);
}
