/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Most of them lie in sysfs below the function, as `dev` of a class device, whatever its class. The
 * rest is looked for where it is known to be.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/parse.h"
#include "device-nodes.h"

#define DIRS_MAX 256 /* that wait to be looked into */
#define DIRS_SEEN_MAX 16384
#define DRM_MAJOR 226
#define NVIDIA_MAJOR 195 /* one minor for each card; the others are of all cards */

typedef char NodePath[320];

typedef struct Walk {
        NodePath waiting[DIRS_MAX];
        size_t n;
} Walk;

/* What is not there, or goes while it is looked at, has no nodes. What cannot be looked at may have
 * some: whose, would be a guess. */
static int unless_gone(int r) {
        return r == -ENOENT || r == -ENOTDIR || r == -ENODEV ? 0 : r;
}

/* @ret: stays as it is where the name is longer, and so none that is looked for */
static int read_link_name(const Root *root, const char *path, char *ret, size_t size) {
        int r = (int)file_read_link_name_at(root->fd, path, ret, size);

        return r == -ENAMETOOLONG ? 0 : unless_gone(r);
}

/* Parses "244:0", as the `dev` attribute of a class device has it. */
static int read_number(const Root *root, const char *path, dev_t *ret) {
        uint64_t major, minor;
        char text[32], *colon;
        ssize_t n;

        n = file_read_line_at(root->fd, path, text, sizeof(text));
        if (n < 0)
                return (int)n;
        colon = strchr(text, ':');
        if (!colon)
                return -EBADMSG;
        *colon = '\0';
        if (parse_decimal(text, UINT32_MAX, &major) < 0 ||
            parse_decimal(colon + 1, UINT32_MAX, &minor) < 0)
                return -EBADMSG;
        *ret = makedev((unsigned)major, (unsigned)minor);
        return 0;
}

static int add(DeviceNodes *nodes, DeviceNode node) {
        if (nodes->n == DEVICE_NODES_MAX)
                return -E2BIG;
        nodes->list[nodes->n++] = node;
        return 0;
}

/* @dir: of the class device */
static int add_from(const Root *root, const char *dir, PciAddress address, DeviceNodes *nodes) {
        DeviceNode node = { .address = address };
        char path[sizeof(NodePath) + sizeof("/subsystem")], subsystem[32] = "";
        int r;

        (void)snprintf(path, sizeof(path), "%s/dev", dir);
        r = read_number(root, path, &node.number);
        if (r < 0)
                return r == -EBADMSG ? 0 : unless_gone(r);
        (void)snprintf(path, sizeof(path), "%s/subsystem", dir);
        r = read_link_name(root, path, subsystem, sizeof(subsystem));
        if (r < 0)
                return r;
        node.is_block = strcmp(subsystem, "block") == 0;
        return add(nodes, node);
}

/* --- below the function --- */

/* Large, and without devices. */
static bool is_passed_over(const char *name) {
        return name[0] == '.' || strcmp(name, "power") == 0 || strcmp(name, "msi_irqs") == 0 ||
               strcmp(name, "ip_discovery") == 0;
}

static int look_into(const Root *root, const char *path, PciAddress address, Walk *walk,
                     DeviceNodes *nodes) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, path);
        const struct dirent *entry;

        while (dir && (errno = 0, entry = readdir(dir))) {
                int n, r = 0;

                if (strcmp(entry->d_name, "dev") == 0 && entry->d_type == DT_REG)
                        r = add_from(root, path, address, nodes);
                if (r < 0)
                        return r;
                if (entry->d_type != DT_DIR || is_passed_over(entry->d_name))
                        continue;
                if (walk->n == DIRS_MAX)
                        return -E2BIG;
                n = snprintf(walk->waiting[walk->n], sizeof(NodePath), "%s/%s", path,
                             entry->d_name);
                if (n < 0 || (size_t)n >= sizeof(NodePath))
                        return -E2BIG;
                walk->n++;
        }
        return unless_gone(-errno);
}

static int add_below(const Root *root, PciAddress address, DeviceNodes *nodes) {
        _cleanup_free_ Walk *walk = calloc(1, sizeof(*walk));
        char text[PCI_ADDRESS_SIZE];
        int r = 0;

        if (!walk)
                return -ENOMEM;
        (void)snprintf(walk->waiting[walk->n++], sizeof(NodePath), "sys/bus/pci/devices/%s",
                       pci_address_format(address, text));
        for (unsigned seen = 0; r >= 0 && walk->n > 0; seen++) {
                NodePath path;

                if (seen == DIRS_SEEN_MAX)
                        return -E2BIG;
                (void)memcpy(path, walk->waiting[--walk->n], sizeof(path));
                r = look_into(root, path, address, walk, nodes);
        }
        return r;
}

/* --- elsewhere --- */

static int add_vfio_group(const Root *root, const Function *function, DeviceNodes *nodes) {
        char path[64];

        (void)snprintf(path, sizeof(path), "sys/class/vfio/%d", function->iommu_group);
        return add_from(root, path, function->address, nodes);
}

/* The firmware's framebuffer is a platform device, on older kernels not below the function. */
static int add_firmware_framebuffer(const Root *root, PciAddress address, DeviceNodes *nodes) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, "sys/class/graphics");
        const struct dirent *entry;

        while (dir && (errno = 0, entry = readdir(dir))) {
                char path[320], device[64] = "";
                int r;

                if (strncmp(entry->d_name, "fb", 2) != 0)
                        continue;
                (void)snprintf(path, sizeof(path), "sys/class/graphics/%s/device", entry->d_name);
                r = read_link_name(root, path, device, sizeof(device));
                path[strlen(path) - strlen("/device")] = '\0';
                if (r >= 0 && strstr(device, "-framebuffer."))
                        r = add_from(root, path, address, nodes);
                if (r < 0)
                        return r;
        }
        return unless_gone(-errno);
}

/* The number of the card among nvidia's; a negative errno where it is not told. */
static int read_nvidia_minor(const Root *root, PciAddress address, unsigned *ret) {
        char path[96], text[4096], address_text[PCI_ADDRESS_SIZE];
        uint64_t minor;
        char *found;

        (void)snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%s/information",
                       pci_address_format(address, address_text));
        if (file_read_at(root->fd, path, text, sizeof(text)) < 0 ||
            !(found = strstr(text, "Device Minor:")))
                return -ENOENT;
        found += strlen("Device Minor:");
        found += strspn(found, " \t");
        found[strcspn(found, " \t\n")] = '\0';
        if (parse_decimal(found, 255, &minor) < 0)
                return -EBADMSG;
        *ret = (unsigned)minor;
        return 0;
}

/* @directory: of a driver, with an entry for each of its cards */
static bool is_only_card(const Root *root, const char *directory) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, directory);
        const struct dirent *entry;
        PciAddress address;
        unsigned n = 0;

        while (dir && (entry = readdir(dir)))
                n += pci_address_parse(entry->d_name, &address) >= 0;
        return n <= 1;
}

/* A line of /proc/devices, such as "507 nvidia-uvm". */
static bool parse_nvidia_major(char *line, unsigned *ret) {
        const char *cursor = line, *number, *name;
        size_t number_length, length;
        char text[16];
        uint64_t major;

        number = parse_word(&cursor, &number_length);
        name = parse_word(&cursor, &length);
        if (!number || !name || strncmp(name, "nvidia", strlen("nvidia")) != 0 ||
            parse_copy(text, sizeof(text), number, number_length) < 0 ||
            parse_decimal(text, UINT32_MAX, &major) < 0)
                return false;
        *ret = (unsigned)major;
        return true;
}

static int add_nvidia_majors(const Root *root, PciAddress address, DeviceNodes *nodes) {
        _cleanup_free_ char *text = NULL;
        char *cursor, *line;
        unsigned major;
        int r;

        r = (int)file_read_alloc_at(root->fd, "proc/devices", 64 * 1024, &text);
        if (r < 0)
                return unless_gone(r);
        cursor = text;
        while (r >= 0 && (line = strsep(&cursor, "\n")) && strcmp(line, "Block devices:") != 0)
                if (parse_nvidia_major(line, &major))
                        r = add(nodes, (DeviceNode){ .number = makedev(major, 0),
                                                     .is_major = true,
                                                     .address = address });
        return r;
}

/* What is of all cards is of this one where it is the only one. */
static int add_nvidia(const Root *root, PciAddress address, DeviceNodes *nodes) {
        unsigned minor;

        if (read_nvidia_minor(root, address, &minor) < 0 ||
            is_only_card(root, "proc/driver/nvidia/gpus"))
                return add_nvidia_majors(root, address, nodes);
        return add(nodes,
                   (DeviceNode){ .number = makedev(NVIDIA_MAJOR, minor), .address = address });
}

/* All cards compute through one node. Who computes on this one among several has its render node
 * open, too. */
static int add_kfd(const Root *root, PciAddress address, DeviceNodes *nodes) {
        if (!is_only_card(root, "sys/bus/pci/drivers/amdgpu"))
                return 0;
        return add_from(root, "sys/class/kfd/kfd", address, nodes);
}

int device_nodes_add(const Root *root, const Function *function, DeviceNodes *nodes) {
        PciAddress address = function->address;
        int r;

        r = add_below(root, address, nodes);
        if (r >= 0 && function->on_vfio)
                r = add_vfio_group(root, function, nodes);
        if (r >= 0 && (function->boot_vga || function->framebuffer[0] != '\0') &&
            !function->on_vfio)
                r = add_firmware_framebuffer(root, address, nodes);
        if (r >= 0 && strcmp(function->driver, "amdgpu") == 0)
                r = add_kfd(root, address, nodes);
        if (r >= 0 && strcmp(function->driver, "nvidia") == 0)
                r = add_nvidia(root, address, nodes);
        return r;
}

/* kernel: drivers/gpu/drm/drm_drv.c; more than 64 cards get numbers from 192 on. */
bool device_node_is_card(dev_t number) {
        return major(number) == DRM_MAJOR && (minor(number) < 64 || minor(number) >= 192);
}
