/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether GRUB and Linux would write the same sectors of a file.
 * Kernel: Documentation/filesystems/fiemap.rst.
 */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "boot-place.h"
#include "file-check.h"
#include "model/env-block.h"

#define EXTENTS_MAX 4

#define NEW_ONE "delete it, and have a new one made (update-grub or grub-mkconfig)"

const char *file_extents_problem(uint32_t flags) {
        if (flags & FIEMAP_EXTENT_SHARED)
                return "shares its blocks with a copy, so that what Linux writes would go elsewhere: " NEW_ONE;
        if (flags & FIEMAP_EXTENT_ENCODED)
                return "is compressed or encrypted by its file system";
        if (flags & (FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL))
                return "has its data inside its inode, where GRUB does not write: " NEW_ONE;
        if (flags & (FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_UNWRITTEN))
                return "has no blocks on the disk yet: " NEW_ONE;
        return NULL;
}

static bool is_fat(int fd) {
        struct statfs fs;

        return fstatfs(fd, &fs) == 0 && fs.f_type == MSDOS_SUPER_MAGIC;
}

/* Whether the extents cover the whole block: a hole has no sectors to be written. */
static const char *map_problem(const struct fiemap *map) {
        const char *problem = NULL;
        uint64_t end = 0;

        for (uint32_t i = 0; i < map->fm_mapped_extents && !problem; i++) {
                const struct fiemap_extent *extent = &map->fm_extents[i];

                problem = file_extents_problem(extent->fe_flags);
                if (extent->fe_logical <= end)
                        end = extent->fe_logical + extent->fe_length;
        }
        return !problem && end < ENV_BLOCK_SIZE ? "has a hole: " NEW_ONE : problem;
}

static const char *extents_problem(int fd) {
        union {
                struct fiemap map;
                char bytes[sizeof(struct fiemap) + EXTENTS_MAX * sizeof(struct fiemap_extent)];
        } u;

        (void)memset(&u, 0, sizeof(u));
        u.map.fm_length = ENV_BLOCK_SIZE;
        u.map.fm_flags = FIEMAP_FLAG_SYNC;
        u.map.fm_extent_count = EXTENTS_MAX;
        if (ioctl(fd, FS_IOC_FIEMAP, &u.map) == 0)
                return map_problem(&u.map);
        /* FAT has no such call, and none of what it could tell. */
        if ((errno == EOPNOTSUPP || errno == ENOTTY) && is_fat(fd))
                return NULL;
        return "is on a file system that does not say where its blocks are";
}

/* chattr(1)'s flags, where the file system has them. */
static const char *flags_problem(int fd) {
        int flags = 0;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return NULL;
        if (flags & FS_JOURNAL_DATA_FL)
                return "has its data journaled (chattr -j takes that from it)";
        if (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))
                return "may not be changed (chattr -ia takes that from it)";
        return NULL;
}

static const char *shape_problem(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return "cannot be looked at";
        if (!S_ISREG(st.st_mode))
                return "is not a plain file";
        if (st.st_size != ENV_BLOCK_SIZE)
                return "has not the size of a boot environment, 1024 bytes: " NEW_ONE;
        if (st.st_nlink != 1)
                return "has more than one name: " NEW_ONE;
        return NULL;
}

RefusalKind boot_place_check_file(const Root *root, int fd, const char *path, Refusal *refusal) {
        const char *problem = shape_problem(fd);

        /* Of a machine that is only looked at, the copy's blocks say nothing. */
        if (!problem && root->is_live)
                problem = flags_problem(fd);
        if (!problem && root->is_live)
                problem = extents_problem(fd);
        if (!problem)
                return REFUSAL_NONE;
        return refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                           "The boot environment /%s cannot be written safely: it %s.", path,
                           problem);
}
