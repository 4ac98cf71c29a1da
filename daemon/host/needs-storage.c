/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks: mounts and swaps, and down from there by the `slaves` of mapped devices and RAIDs, the
 * files of loop devices, the layers of overlays, and what udev knows of ZFS. A system that is on
 * what tells of none of it may be on any disk.
 */
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
#define UDEV_DIR "run/udev/data"
#define INIT_MOUNTS "proc/1/mountinfo"
#define OWN_MOUNTS "proc/self/mountinfo"

#define TABLE_MAX (16 * 1024 * 1024) /* a host of containers has thousands of mounts */
#define DATABASE_MAX (64 * 1024)     /* of one device */

#define POOL "pool " /* then its name: the node of a pool, which no device's name is like */

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

/* --- file systems without a disk's number --- */

static bool is_in(const char *const *types, size_t n, const char *type) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(types[i], type) == 0)
                        return true;
        return false;
}

static bool is_in_memory(const MountInfo *mount) {
        static const char *const types[] = { "tmpfs", "ramfs", "rootfs", "devtmpfs" };

        return is_in(types, ARRAY_SIZE(types), mount->type);
}

static bool is_without_disk(const MountInfo *mount) {
        static const char *const types[] = { "9p",  "afs",  "autofs", "ceph",  "cifs",
                                             "nfs", "nfs4", "smb3",   "ubifs", "virtiofs" };

        return is_in_memory(mount) || is_in(types, ARRAY_SIZE(types), mount->type);
}

/* What a mount is on: a device or a pool. */
static bool find_node(NeedsWalk *walk, const MountInfo *mount, char name[static NEEDS_NODE_SIZE]) {
        int length = (int)strcspn(mount->source, "/@");
        char path[NEEDS_PATH_SIZE];

        if (strcmp(mount->type, "zfs") == 0 &&
            snprintf(name, NEEDS_NODE_SIZE, POOL "%.*s", length, mount->source) < NEEDS_NODE_SIZE)
                return true;
        if (strncmp(mount->device, "0:", 2) == 0) {
                walk->is_unknown |= !is_without_disk(mount);
                return false;
        }
        (void)snprintf(path, sizeof(path), "sys/dev/block/%s", mount->device);
        return file_read_link_name_at(walk->root->fd, path, name, NEEDS_NODE_SIZE) >= 0;
}

typedef struct Members {
        NeedsWalk *walk;
        size_t pool;
        bool found;
} Members;

/* A disk with old signatures, too, is of a pool whose name udev does not tell. */
static bool is_member(const char *database, const char *pool) {
        static const char key[] = "\nE:ID_FS_LABEL=";
        const char *label = strstr(database, key);

        if (!strstr(database, "zfs_member"))
                return false;
        if (!label)
                return true;
        label += strlen(key);
        return strlen(pool) == strcspn(label, "\n") && strncmp(label, pool, strlen(pool)) == 0;
}

static int visit_member(void *userdata, const char *name) {
        Members *members = userdata;
        const NeedsWalk *walk = members->walk;
        const char *pool = walk->nodes[members->pool].name + strlen(POOL);
        char path[NEEDS_PATH_SIZE], number[32];
        _cleanup_free_ char *database = NULL;

        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/dev", name);
        if (file_read_line_at(walk->root->fd, path, number, sizeof(number)) < 0)
                return 0;
        (void)snprintf(path, sizeof(path), UDEV_DIR "/b%s", number);
        if (file_read_alloc_at(walk->root->fd, path, DATABASE_MAX, &database) < 0 ||
            !is_member(database, pool))
                return 0;
        members->found = true;
        return needs_walk_add(members->walk, name, members->pool);
}

/* The kernel tells nobody which disks a pool has. */
static int expand_pool(NeedsWalk *walk, size_t i) {
        Members members = { walk, i, false };
        int r;

        r = needs_for_each_entry(walk->root, BLOCK_DIR, visit_member, &members);
        walk->is_unknown |= !members.found;
        return r;
}

/* A live system's root is in a file on its medium. */
static int expand_loop(NeedsWalk *walk, size_t i) {
        char path[NEEDS_PATH_SIZE], file[256], name[NEEDS_NODE_SIZE];
        MountInfo mount;
        ssize_t n;

        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/loop/backing_file", walk->nodes[i].name);
        n = file_read_line_at(walk->root->fd, path, file, sizeof(file));
        if (n == -ENOENT) {
                (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/../loop/backing_file",
                               walk->nodes[i].name);
                n = file_read_line_at(walk->root->fd, path, file, sizeof(file));
        }
        if (n == -ENOENT)
                return 0;
        if (n <= 0 || file[0] != '/' || !mount_info_find(walk->mounts, file + 1, &mount)) {
                walk->is_unknown = true;
                return 0;
        }
        return find_node(walk, &mount, name) ? needs_walk_add(walk, name, i) : 0;
}

/* A volume of a ZFS pool, which does not say of which. */
static bool is_zvol(const char *name) {
        return strncmp(name, "zd", strlen("zd")) == 0 && name[2] >= '0' && name[2] <= '9';
}

static int expand_block(NeedsWalk *walk, size_t i) {
        const char *name = walk->nodes[i].name;
        char path[NEEDS_PATH_SIZE], target[PATH_MAX];
        int r;

        if (strncmp(name, POOL, strlen(POOL)) == 0)
                return expand_pool(walk, i);
        if (strncmp(name, "loop", strlen("loop")) == 0)
                return expand_loop(walk, i);
        if (is_zvol(name)) {
                walk->is_unknown = true;
                return 0;
        }
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

/* --- mounts and swaps --- */

/* /sysroot is an image-based system's disk, of which its root is made. */
static bool is_essential_point(const char *point) {
        static const char *const points[] = { "/",    "/boot", "/boot/efi", "/efi",
                                              "/usr", "/var",  "/sysroot" };

        return is_in(points, ARRAY_SIZE(points), point);
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

        if (!find_block_name(walk->root, mount->source, name)) {
                walk->is_unknown = true;
                return 0;
        }
        r = needs_walk(walk, name, expand_block);
        return r < 0 ? r : needs_for_each_entry(walk->root, BTRFS_DIR, visit_btrfs, &pool);
}

/* An overlay is unknown here: none lies on another without end. */
static int walk_layer(NeedsWalk *walk, const MountInfo *mount) {
        char name[NEEDS_NODE_SIZE];

        if (strcmp(mount->type, "btrfs") == 0)
                return walk_btrfs(walk, mount);
        return find_node(walk, mount, name) ? needs_walk(walk, name, expand_block) : 0;
}

/* Some may have been directories of a tree that is gone, as the initramfs is. */
static int walk_layers(NeedsWalk *walk, char *paths, bool *found) {
        const char *path;
        MountInfo mount;
        int r = 0;

        while (r >= 0 && (path = strsep(&paths, ":"))) {
                if (path[0] == '\0')
                        continue;
                if (path[0] != '/' || !mount_info_find(walk->mounts, path + 1, &mount)) {
                        walk->is_unknown = true;
                        continue;
                }
                *found |= !is_in_memory(&mount);
                r = walk_layer(walk, &mount);
        }
        return r;
}

static bool has_layers(const char *option) {
        static const char *const options[] = { "lowerdir", "upperdir", "datadir" };

        for (size_t i = 0; i < ARRAY_SIZE(options); i++)
                if (strncmp(option, options[i], strlen(options[i])) == 0)
                        return true;
        return false;
}

static int walk_overlay(NeedsWalk *walk, const MountInfo *mount) {
        char options[sizeof(mount->options)], *cursor = options, *option;
        bool found = false;
        int r = 0;

        (void)memcpy(options, mount->options, sizeof(options));
        walk->is_unknown |= strlen(options) == sizeof(options) - 1; /* it was cut off */
        while (r >= 0 && (option = strsep(&cursor, ","))) {
                char *paths = strchr(option, '=');

                if (paths && has_layers(option))
                        r = walk_layers(walk, paths + 1, &found);
        }
        walk->is_unknown |= !found;
        return r;
}

static int walk_mount(NeedsWalk *walk, const MountInfo *mount) {
        if (strcmp(mount->type, "overlay") != 0)
                return walk_layer(walk, mount);
        return walk->is_essential ? walk_overlay(walk, mount) : 0; /* containers have many */
}

/* What is made of disks is not on others. */
static int visit_disk(void *userdata, const char *name) {
        NeedsWalk *walk = userdata;
        char path[NEEDS_PATH_SIZE], target[PATH_MAX];

        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/partition", name);
        if (faccessat(walk->root->fd, path, F_OK, 0) == 0 ||
            needs_read_target(walk->root, BLOCK_DIR, name, target) < 0 ||
            strstr(target, "/virtual/block/"))
                return 0;
        return needs_walk(walk, name, expand_block);
}

/* @where: a file system's type, or a swap */
static int walk_all_disks(NeedsWalk *walk, const char *held, const char *where) {
        char what[192];

        (void)snprintf(what, sizeof(what), "may hold %.60s (%.60s, whose disks are not known)",
                       held, where);
        walk->what = what;
        return needs_for_each_entry(walk->root, BLOCK_DIR, visit_disk, walk);
}

static int walk_mounts(NeedsWalk *walk, bool essential) {
        const char *cursor = walk->mounts;
        MountInfo mount;
        int r = 0;

        walk->is_essential = essential;
        while (r >= 0 && mount_info_next(&cursor, &mount)) {
                char what[sizeof("holds ") + sizeof(mount.point)];

                if (is_essential_point(mount.point) != essential)
                        continue;
                (void)snprintf(what, sizeof(what), "holds %.60s", mount.point);
                walk->what = what;
                walk->is_unknown = false;
                r = walk_mount(walk, &mount);
                if (r >= 0 && essential && walk->is_unknown)
                        r = walk_all_disks(walk, mount.point, mount.type);
                walk->what = "";
        }
        return r;
}

/* A swap file is on a file system's disk. */
static int walk_swap(NeedsWalk *walk, const char *path) {
        char name[NEEDS_NODE_SIZE];
        MountInfo mount;

        if (find_block_name(walk->root, path, name))
                return needs_walk(walk, name, expand_block);
        return mount_info_find(walk->mounts, path + 1, &mount) ? walk_mount(walk, &mount) : 0;
}

static int walk_swaps(NeedsWalk *walk) {
        _cleanup_free_ char *swaps = NULL;
        const char *cursor;
        char path[256];
        ssize_t n;
        int r = 0;

        n = file_read_alloc_at(walk->root->fd, "proc/swaps", TABLE_MAX, &swaps);
        if (n < 0)
                return n == -ENOENT ? 0 : (int)n;
        walk->is_essential = true;
        cursor = swaps;
        while (r >= 0 && proc_swaps_next(&cursor, path, sizeof(path))) {
                walk->what = "holds swap";
                walk->is_unknown = false;
                r = walk_swap(walk, path);
                if (r >= 0 && walk->is_unknown)
                        r = walk_all_disks(walk, "swap", path);
                walk->what = "";
        }
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
        if (r < 0)
                return r;
        walk->mounts = table;
        r = walk_mounts(walk, true);
        if (r >= 0)
                r = walk_swaps(walk);
        if (r >= 0)
                r = walk_mounts(walk, false);
        walk->mounts = NULL;
        return r;
}
