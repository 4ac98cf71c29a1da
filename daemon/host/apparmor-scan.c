/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apparmor-scan.h"
#include "base/file.h"

#define APPARMOR_DIR "etc/apparmor.d"
#define ABSTRACTION APPARMOR_DIR "/abstractions/libvirt-qemu"
#define ADDED_DIR ABSTRACTION ".d"
#define ADDED APPARMOR_DIR "/local/abstractions/libvirt-qemu"
#define RULES_SIZE_MAX (1024 * 1024)
#define ADDED_FILES_MAX 64

static bool exists(const Root *root, const char *path) {
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

bool apparmor_confines_libvirt(const Root *root) {
        char enabled[8];

        return file_read_line_at(root->fd, "sys/module/apparmor/parameters/enabled", enabled,
                                 sizeof(enabled)) > 0 &&
               enabled[0] == 'Y' &&
               (exists(root, APPARMOR_DIR "/usr.sbin.libvirtd") ||
                exists(root, APPARMOR_DIR "/usr.sbin.virtqemud"));
}

static int add_file(const Root *root, const char *path, FILE *out) {
        _cleanup_free_ char *text = NULL;
        ssize_t n = file_read_alloc_at(root->fd, path, RULES_SIZE_MAX, &text);

        if (n < 0)
                return (int)n;
        (void)fprintf(out, "%s\n", text);
        return 0;
}

/* What is not there adds nothing. */
static int add_optional(const Root *root, const char *path, FILE *out) {
        int r = add_file(root, path, out);

        return r == -ENOENT ? 0 : r;
}

static int add_directory(const Root *root, FILE *out) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, ADDED_DIR);
        const struct dirent *entry;
        size_t n = 0;
        int r = 0;

        while (dir && r >= 0 && n++ < ADDED_FILES_MAX && (entry = readdir(dir))) {
                char path[sizeof(ADDED_DIR "/") + sizeof(entry->d_name)];

                (void)snprintf(path, sizeof(path), ADDED_DIR "/%s", entry->d_name);
                if (entry->d_name[0] != '.')
                        r = add_optional(root, path, out);
        }
        return r;
}

static int add_all(const Root *root, FILE *out) {
        int r = add_file(root, ABSTRACTION, out);

        if (r >= 0)
                r = add_optional(root, ADDED, out);
        return r < 0 ? r : add_directory(root, out);
}

int apparmor_read_guest_rules(const Root *root, char **ret) {
        char *text = NULL;
        size_t size = 0;
        FILE *out;
        int r;

        *ret = NULL;
        if (!apparmor_confines_libvirt(root))
                return 0;
        out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        r = add_all(root, out);
        if (fclose(out) != 0)
                r = -ENOMEM;
        if (r < 0)
                free(text);
        else
                *ret = text;
        return r == -ENOENT ? 0 : r;
}
