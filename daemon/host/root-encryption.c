/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dm-crypt has opened has a uuid that begins with CRYPT- (cryptsetup: lib/libdevmapper.c). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "mount-info.h"
#include "needs-walk.h"
#include "root-encryption.h"

#define BLOCK_DIR "sys/class/block"
#define CRYPT "CRYPT-"

#define PATH_SIZE (NEEDS_NODE_SIZE + 64)

/* Ends the walk with -ECANCELED at the first that is. */
static int look_at(NeedsWalk *walk, size_t i) {
        static const char *const below[] = { "slaves", "../slaves" };
        const char *name = walk->nodes[i].name;
        char path[PATH_SIZE], uuid[256];
        ssize_t length;
        int r = 0;

        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/dm/uuid", name);
        length = file_read_line_at(walk->root->fd, path, uuid, sizeof(uuid));
        if (length < 0 && length != -ENOENT)
                return (int)length;
        if (length > 0 && strncmp(uuid, CRYPT, strlen(CRYPT)) == 0)
                return -ECANCELED;
        for (size_t n = 0; n < ARRAY_SIZE(below) && r >= 0; n++) {
                (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/%s", name, below[n]);
                r = needs_walk_add_entries(walk, path, "", i);
        }
        return r;
}

/* btrfs has a number of its own, and its source is one of its disks. */
static bool find_device(const Root *root, char name[static NEEDS_NODE_SIZE]) {
        _cleanup_free_ char *table = NULL;
        char path[sizeof("sys/dev/block/") + sizeof(((MountInfo *)NULL)->source)];
        MountInfo mount;

        if (mount_info_read(root, &table) < 0 || !mount_info_find(table, "", &mount) ||
            strcmp(mount.type, "bcachefs") == 0)
                return false;
        if (strncmp(mount.device, "0:", 2) != 0)
                (void)snprintf(path, sizeof(path), "sys/dev/block/%s", mount.device);
        else
                (void)snprintf(path, sizeof(path), "%s", mount.source + (mount.source[0] == '/'));
        if (file_read_link_name_at(root->fd, path, name, NEEDS_NODE_SIZE) > 0)
                return true;
        return snprintf(name, NEEDS_NODE_SIZE, "%s",
                        strrchr(path, '/') ? strrchr(path, '/') + 1 : path) < NEEDS_NODE_SIZE;
}

/* ZFS has the name of a pool as its source. */
static bool is_a_disk(const Root *root, const char *name) {
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s", name);
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

RootEncryption root_encryption(const Root *root) {
        _cleanup_free_ NeedsWalk *walk = calloc(1, sizeof(*walk));
        char name[NEEDS_NODE_SIZE];
        int r;

        if (!walk || !find_device(root, name) || !is_a_disk(root, name))
                return ROOT_ENCRYPTION_UNKNOWN;
        walk->root = root;
        r = needs_walk(walk, name, look_at);
        if (r == -ECANCELED)
                return ROOT_ENCRYPTION_DISK;
        return r < 0 ? ROOT_ENCRYPTION_UNKNOWN : ROOT_ENCRYPTION_NONE;
}
