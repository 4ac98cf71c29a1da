/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dm-crypt has opened has a uuid that begins with CRYPT- (cryptsetup: lib/libdevmapper.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        int r = 0;

        (void)snprintf(path, sizeof(path), BLOCK_DIR "/%s/dm/uuid", name);
        if (file_read_line_at(walk->root->fd, path, uuid, sizeof(uuid)) > 0 &&
            strncmp(uuid, CRYPT, strlen(CRYPT)) == 0)
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

        if (mount_info_read(root, &table) < 0 || !mount_info_find(table, "", &mount))
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

bool root_is_encrypted(const Root *root) {
        _cleanup_free_ NeedsWalk *walk = calloc(1, sizeof(*walk));
        char name[NEEDS_NODE_SIZE];

        if (!walk || !find_device(root, name))
                return false;
        walk->root = root;
        return needs_walk(walk, name, look_at) == -ECANCELED;
}
