/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line is "36 35 8:1 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue", with
 * any number of fields before the "-". Blanks in names are octal escapes.
 */
#include <string.h>

#include "base/file.h"
#include "mount-info.h"

#define TABLE "proc/self/mountinfo"
#define TABLE_MAX (1024 * 1024)

int mount_info_read(const Root *root, char **ret) {
        ssize_t n = file_read_alloc_at(root->fd, TABLE, TABLE_MAX, ret);

        return n < 0 ? (int)n : 0;
}

/* The next field of a line, copied as far as it fits; false at the line's end. */
static bool next_field(const char **cursor, char *buffer, size_t size) {
        size_t length = strcspn(*cursor, " \n");
        size_t n = 0;

        if (length == 0)
                return false;
        for (size_t i = 0; i < length && n + 1 < size; i++) {
                const char *c = &(*cursor)[i];

                if (c[0] == '\\' && length - i >= 4) {
                        buffer[n++] = (char)((c[1] & 7) << 6 | (c[2] & 7) << 3 | (c[3] & 7));
                        i += 3;
                } else {
                        buffer[n++] = c[0];
                }
        }
        buffer[n] = '\0';
        *cursor += length;
        if (**cursor == ' ')
                (*cursor)++;
        return true;
}

static bool parse_line(const char *line, MountInfo *ret) {
        char skipped[256];

        for (unsigned i = 0; i < 2; i++)
                if (!next_field(&line, skipped, sizeof(skipped)))
                        return false;
        if (!next_field(&line, ret->device, sizeof(ret->device)) ||
            !next_field(&line, ret->root, sizeof(ret->root)) ||
            !next_field(&line, ret->point, sizeof(ret->point)))
                return false;
        do {
                if (!next_field(&line, skipped, sizeof(skipped)))
                        return false;
        } while (strcmp(skipped, "-") != 0);
        return next_field(&line, ret->type, sizeof(ret->type)) &&
               next_field(&line, skipped, sizeof(skipped)) &&
               next_field(&line, ret->options, sizeof(ret->options));
}

/* The length of the mount point if @path lies in it; else 0. */
static size_t covers(const MountInfo *mount, const char *path) {
        size_t length = strlen(mount->point);

        if (strcmp(mount->point, "/") == 0)
                return 1;
        if (strncmp(mount->point + 1, path, length - 1) != 0)
                return 0;
        return path[length - 1] == '\0' || path[length - 1] == '/' ? length : 0;
}

bool mount_info_find(const char *table, const char *path, MountInfo *ret) {
        size_t best = 0;

        for (const char *line = table; *line;) {
                MountInfo mount;
                size_t length = parse_line(line, &mount) ? covers(&mount, path) : 0;

                /* Of two at the same place the later one lies above. */
                if (length > 0 && length >= best) {
                        best = length;
                        *ret = mount;
                }
                line += strcspn(line, "\n");
                line += *line == '\n';
        }
        return best > 0;
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
