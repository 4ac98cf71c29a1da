/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line is "36 35 8:1 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue", with
 * any number of fields before the "-". Blanks in names are octal escapes.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "mount-info.h"
#include "proc-tables.h"

#define TABLE "proc/self/mountinfo"
#define TABLE_MAX (1024 * 1024)

int mount_info_read(const Root *root, char **ret) {
        ssize_t n = file_read_alloc_at(root->fd, TABLE, TABLE_MAX, ret);

        return n < 0 ? (int)n : 0;
}

static bool parse_line(const char *line, MountInfo *ret) {
        char skipped[256];

        for (unsigned i = 0; i < 2; i++)
                if (!proc_field(&line, skipped, sizeof(skipped)))
                        return false;
        if (!proc_field(&line, ret->device, sizeof(ret->device)) ||
            !proc_field(&line, ret->root, sizeof(ret->root)) ||
            !proc_field(&line, ret->point, sizeof(ret->point)))
                return false;
        do {
                if (!proc_field(&line, skipped, sizeof(skipped)))
                        return false;
        } while (strcmp(skipped, "-") != 0);
        return proc_field(&line, ret->type, sizeof(ret->type)) &&
               proc_field(&line, ret->source, sizeof(ret->source)) &&
               proc_field(&line, ret->options, sizeof(ret->options));
}

/* The length of the mount point if @path lies in it; else 0. */
static size_t covers(const MountInfo *mount, const char *path) {
        size_t length = strlen(mount->point);

        if (mount->point[0] != '/')
                return 0;
        if (strcmp(mount->point, "/") == 0)
                return 1;
        if (strncmp(mount->point + 1, path, length - 1) != 0)
                return 0;
        return path[length - 1] == '\0' || path[length - 1] == '/' ? length : 0;
}

bool mount_info_next(const char **cursor, MountInfo *ret) {
        while (**cursor) {
                const char *line = *cursor;

                proc_next_line(cursor);
                if (parse_line(line, ret))
                        return true;
        }
        return false;
}

bool mount_info_find(const char *table, const char *path, MountInfo *ret) {
        MountInfo mount;
        size_t best = 0;

        while (mount_info_next(&table, &mount)) {
                size_t length = covers(&mount, path);

                /* Of two at the same place the later one lies above. */
                if (length > 0 && length >= best) {
                        best = length;
                        *ret = mount;
                }
        }
        return best > 0;
}

/* Of lines that are longer than a MountInfo, too: an overlay's options may be. */
bool mount_info_type(const char *table, int id, char ret[static MOUNT_TYPE_SIZE]) {
        char wanted[16];

        (void)snprintf(wanted, sizeof(wanted), "%d ", id);
        for (; *table; proc_next_line(&table)) {
                const char *dash;

                if (strncmp(table, wanted, strlen(wanted)) != 0)
                        continue;
                ret[0] = '\0';
                dash = memmem(table, strcspn(table, "\n"), " - ", 3);
                if (dash &&
                    parse_copy(ret, MOUNT_TYPE_SIZE, dash + 3, strcspn(dash + 3, " \n")) < 0)
                        ret[0] = '\0';
                return true;
        }
        return false;
}

bool mount_info_has_option(const MountInfo *mount, const char *option) {
        size_t length = strlen(option);

        for (const char *at = mount->options; *at;) {
                size_t n = strcspn(at, ",");

                if (n == length && strncmp(at, option, n) == 0)
                        return true;
                at += n;
                at += *at == ',';
        }
        return false;
}
