/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By sysfs: sys/dev/block/8:1 is a link to the device's directory, and a partition's directory lies
 * in its disk's.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "block-device.h"

#define DEVICES "sys/dev/block"
#define BY_UUID "dev/disk/by-uuid"
#define UDEV_DATA_MAX (64 * 1024)

static bool has(const Root *root, const char *directory, const char *name) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

static const char *mapper_problem(const Root *root, const char *directory) {
        char path[PATH_MAX], uuid[256] = "";

        (void)snprintf(path, sizeof(path), "%s/dm/uuid", directory);
        if (file_read_line_at(root->fd, path, uuid, sizeof(uuid)) < 0)
                uuid[0] = '\0';
        if (strncmp(uuid, "LVM-", 4) == 0)
                return "is on LVM, which GRUB reads but does not write";
        if (strncmp(uuid, "CRYPT-", 6) == 0)
                return "is on an encrypted disk, which GRUB may not be able to write";
        return "is on a device-mapper device, which GRUB does not write";
}

static const char *directory_problem(const Root *root, const char *directory) {
        if (has(root, directory, "dm"))
                return mapper_problem(root, directory);
        if (has(root, directory, "md"))
                return "is on a software RAID, of which GRUB would write one disk at most";
        if (has(root, directory, "loop"))
                return "is on a loop device, which GRUB does not know";
        return NULL;
}

const char *block_device_problem(const Root *root, const char *device) {
        char directory[PATH_MAX], target[PATH_MAX];
        const char *problem;
        ssize_t n;

        (void)snprintf(directory, sizeof(directory), DEVICES "/%s", device);
        n = readlinkat(root->fd, directory, target, sizeof(target) - 1);
        if (n < 0)
                return "is not on a block device";
        target[n] = '\0';
        problem = directory_problem(root, directory);
        if (!problem && has(root, directory, "partition")) {
                (void)snprintf(directory, sizeof(directory), DEVICES "/%s/..", device);
                problem = directory_problem(root, directory);
        }
        /* bcache, drbd, nbd, zvols, ... NVMe disks are below virtual/nvme-subsystem. */
        if (!problem && strstr(target, "/virtual/block/"))
                problem = "is on a virtual block device, which GRUB does not know";
        return problem;
}

/* --- UUID --- */

static bool is_fat_uuid(const char *text) {
        if (strlen(text) != 9 || text[4] != '-')
                return false;
        for (size_t i = 0; i < 9; i++)
                if (i != 4 && !isxdigit((unsigned char)text[i]))
                        return false;
        return true;
}

/* A service with a /dev of its own has no by-uuid, but udev's database. */
static int uuid_from_udev(const Root *root, const char *device, char *ret, size_t size) {
        static const char key[] = "\nE:ID_FS_UUID=";
        _cleanup_free_ char *text = NULL;
        char path[64];
        const char *value;

        (void)snprintf(path, sizeof(path), "run/udev/data/b%s", device);
        if (file_read_alloc_at(root->fd, path, UDEV_DATA_MAX, &text) < 0)
                return -ENOENT;
        value = strstr(text, key);
        if (!value)
                return -ENOENT;
        value += sizeof(key) - 1;
        return parse_copy(ret, size, value, strcspn(value, "\n"));
}

int block_device_name(const Root *root, const char *device, char *ret, size_t size) {
        char path[64];
        ssize_t n;

        (void)snprintf(path, sizeof(path), DEVICES "/%s", device);
        n = file_read_link_name_at(root->fd, path, ret, size);
        return n < 0 ? (int)n : 0;
}

static int uuid_from_links(const Root *root, const char *device, char *ret, size_t size) {
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        char name[NAME_MAX + 1], target[NAME_MAX + 1];

        if (block_device_name(root, device, name, sizeof(name)) < 0)
                return -ENOENT;
        dir = file_open_dir_at(root->fd, BY_UUID);
        while (dir && (entry = readdir(dir))) {
                ssize_t n =
                        file_read_link_name_at(dirfd(dir), entry->d_name, target, sizeof(target));

                if (n >= 0 && strcmp(target, name) == 0)
                        return parse_copy(ret, size, entry->d_name, strlen(entry->d_name));
        }
        return -ENOENT;
}

int block_device_fat_uuid(const Root *root, const char *device, char *ret, size_t size) {
        char uuid[64];

        if (uuid_from_udev(root, device, uuid, sizeof(uuid)) < 0 &&
            uuid_from_links(root, device, uuid, sizeof(uuid)) < 0)
                return -ENOENT;
        if (!is_fat_uuid(uuid))
                return -ENOENT;
        return parse_copy(ret, size, uuid, strlen(uuid));
}
