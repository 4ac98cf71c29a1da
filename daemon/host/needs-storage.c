/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks: mounts and swaps, and down from there by the `slaves` of mapped devices and RAIDs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "mount-info.h"
#include "needs-storage.h"
#include "proc-tables.h"

#define BLOCK_DIR "sys/class/block"
#define BTRFS_DIR "sys/fs/btrfs"
#define NVME_DIR "sys/class/nvme-subsystem"
#define INIT_MOUNTS "proc/1/mountinfo"
#define OWN_MOUNTS "proc/self/mountinfo"

#define TABLE_MAX (16 * 1024 * 1024) /* a host of containers has thousands of mounts */

/* The controllers of an NVMe disk that may have several. */
typedef struct Controllers {
        NeedsWalk *walk;
        size_t disk;
        const char *directory;
} Controllers;

static int visit_controller(void *userdata, const char *name) {
        const Controllers *controllers = userdata;
        char target[PATH_MAX];
        int r;

        /* The namespaces beside them are directories. */
        if (strncmp(name, "nvme", 4) != 0 ||
            needs_read_target(controllers->walk->root, controllers->directory, name, target) < 0)
                return 0;
        r = needs_walk_add_leaf(controllers->walk, controllers->disk, NEED_STORAGE, target);
        return r < 0 ? r : 0;
}

static int expand_nvme(NeedsWalk *walk, size_t i, const char *target) {
        static const char parent[] = "/virtual/nvme-subsystem/";
        const char *subsystem = strstr(target, parent);
        char path[NEEDS_PATH_SIZE];
        Controllers controllers = { walk, i, path };

        if (!subsystem)
                return 0;
        subsystem += strlen(parent);
        (void)snprintf(path, sizeof(path), NVME_DIR "/%.*s", (int)strcspn(subsystem, "/"),
                       subsystem);
        return needs_for_each_entry(walk->root, path, visit_controller, &controllers);
}

static int expand_block(NeedsWalk *walk, size_t i) {
        const char *name = walk->nodes[i].name;
        char path[NEEDS_PATH_SIZE], target[PATH_MAX];
        int r;

        if (needs_read_target(walk->root, BLOCK_DIR, name, target) < 0)
                return 0;
        r = needs_walk_add_leaf(walk, i, NEED_STORAGE, target);
        if (r != 0)
                return r;
        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/slaves", name);
        r = needs_walk_add_entries(walk, path, "", i);
        if (r < 0)
                return r;
        /* Of a partition, its disk's. */
        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/../slaves", name);
        r = needs_walk_add_entries(walk, path, "", i);
        return r < 0 ? r : expand_nvme(walk, i, target);
}

static bool is_essential_point(const char *point) {
        static const char *const points[] = { "/", "/boot", "/boot/efi", "/efi", "/usr", "/var" };

        for (size_t i = 0; i < ARRAY_SIZE(points); i++)
                if (strcmp(points[i], point) == 0)
                        return true;
        return false;
}

/* The kernel's name of what a path in /dev is: "/dev/mapper/root" is a link to "../dm-0". */
static bool find_block_name(const Root *root, const char *path, char name[static NEEDS_NODE_SIZE]) {
        if (strncmp(path, "/dev/", strlen("/dev/")) != 0)
                return false;
        if (file_read_link_name_at(root->fd, path + 1, name, NEEDS_NODE_SIZE) > 0)
                return true;
        path += strlen("/dev/");
        if (strlen(path) >= NEEDS_NODE_SIZE)
                return false;
        (void)snprintf(name, NEEDS_NODE_SIZE, "%s", path);
        for (char *slash = strchr(name, '/'); slash; slash = strchr(slash, '/'))
                *slash = '!';
        return true;
}

static int visit_btrfs_disk(void *userdata, const char *name) {
        return needs_walk(userdata, name, expand_block);
}

typedef struct Pool {
        NeedsWalk *walk;
        const char *disk;
} Pool;

static int visit_btrfs(void *userdata, const char *uuid) {
        const Pool *pool = userdata;
        char path[NEEDS_PATH_SIZE];

        (void)snprintf(path, sizeof(path), BTRFS_DIR "/%s/devices/%s", uuid, pool->disk);
        if (faccessat(pool->walk->root->fd, path, F_OK, 0) < 0)
                return 0;
        (void)snprintf(path, sizeof(path), BTRFS_DIR "/%s/devices", uuid);
        return needs_for_each_entry(pool->walk->root, path, visit_btrfs_disk, pool->walk);
}

/* Its device number is nobody's; the source is one of its disks, and sysfs has the others. */
static int walk_btrfs(NeedsWalk *walk, const MountInfo *mount) {
        char name[NEEDS_NODE_SIZE];
        Pool pool = { walk, name };
        int r;

        if (!find_block_name(walk->root, mount->source, name))
                return 0;
        r = needs_walk(walk, name, expand_block);
        return r < 0 ? r : needs_for_each_entry(walk->root, BTRFS_DIR, visit_btrfs, &pool);
}

static int walk_mount(NeedsWalk *walk, const MountInfo *mount) {
        char path[NEEDS_PATH_SIZE], name[NEEDS_NODE_SIZE];

        if (strcmp(mount->type, "btrfs") == 0)
                return walk_btrfs(walk, mount);
        if (strncmp(mount->device, "0:", 2) == 0)
                return 0;
        (void)snprintf(path, sizeof(path), "sys/dev/block/%s", mount->device);
        if (file_read_link_name_at(walk->root->fd, path, name, sizeof(name)) < 0)
                return 0;
        return needs_walk(walk, name, expand_block);
}

static int walk_mounts(NeedsWalk *walk, const char *table, bool essential) {
        MountInfo mount;
        int r = 0;

        walk->is_essential = essential;
        while (r >= 0 && mount_info_next(&table, &mount)) {
                char what[sizeof("holds ") + sizeof(mount.point)];

                if (is_essential_point(mount.point) != essential)
                        continue;
                (void)snprintf(what, sizeof(what), "holds %.60s", mount.point);
                walk->what = what;
                r = walk_mount(walk, &mount);
                walk->what = "";
        }
        return r;
}

/* A swap file is on a file system's disk. */
static int walk_swap(NeedsWalk *walk, const char *table, const char *path) {
        char name[NEEDS_NODE_SIZE];
        MountInfo mount;

        if (find_block_name(walk->root, path, name))
                return needs_walk(walk, name, expand_block);
        return mount_info_find(table, path + 1, &mount) ? walk_mount(walk, &mount) : 0;
}

static int walk_swaps(NeedsWalk *walk, const char *table) {
        _cleanup_free_ char *swaps = NULL;
        const char *cursor;
        char path[256];
        ssize_t n;
        int r = 0;

        n = file_read_alloc_at(walk->root->fd, "proc/swaps", TABLE_MAX, &swaps);
        if (n < 0)
                return n == -ENOENT ? 0 : (int)n;
        walk->is_essential = true;
        walk->what = "holds swap";
        cursor = swaps;
        while (r >= 0 && proc_swaps_next(&cursor, path, sizeof(path)))
                r = walk_swap(walk, table, path);
        return r;
}

/* The sandbox of a service hides mounts from it, but not those of init. */
static int read_mounts(const Root *root, char **ret) {
        ssize_t n;

        n = file_read_alloc_at(root->fd, INIT_MOUNTS, TABLE_MAX, ret);
        if (n == -ENOENT || n == -EACCES)
                n = file_read_alloc_at(root->fd, OWN_MOUNTS, TABLE_MAX, ret);
        if (n == -ENOENT) {
                *ret = strdup("");
                n = *ret ? 0 : -ENOMEM;
        }
        return n < 0 ? (int)n : 0;
}

int needs_scan_storage(NeedsWalk *walk) {
        _cleanup_free_ char *table = NULL;
        int r;

        r = read_mounts(walk->root, &table);
        if (r >= 0)
                r = walk_mounts(walk, table, true);
        if (r >= 0)
                r = walk_swaps(walk, table);
        if (r >= 0)
                r = walk_mounts(walk, table, false);
        return r;
}
