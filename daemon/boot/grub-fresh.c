/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of modes is not looked at: Drift says where menu entries are older than it.
 * Kernels are not either: their packages update GRUB's configuration.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "grub-fresh.h"

#define FILES_MAX 256

static bool is_newer(const Root *root, const char *path, const struct timespec *made) {
        struct stat found;

        return fstatat(root->fd, path, &found, 0) >= 0 && S_ISREG(found.st_mode) &&
               (found.st_mtim.tv_sec > made->tv_sec ||
                (found.st_mtim.tv_sec == made->tv_sec && found.st_mtim.tv_nsec > made->tv_nsec));
}

static bool has_newer(const Root *root, const char *directory, const struct timespec *made,
                      char ret[static BOOT_PATH_SIZE]) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, directory);
        const struct dirent *entry;
        size_t n_files = 0;

        while (dir && n_files++ < FILES_MAX && (entry = readdir(dir))) {
                int n = snprintf(ret, BOOT_PATH_SIZE, "%s/%s", directory, entry->d_name);

                if (entry->d_name[0] != '.' && n > 0 && n < BOOT_PATH_SIZE &&
                    is_newer(root, ret, made))
                        return true;
        }
        return false;
}

int grub_find_newer_source(const Root *root, const char *grub_directory,
                           char ret[static BOOT_PATH_SIZE]) {
        char path[BOOT_PATH_SIZE + sizeof("/grub.cfg")];
        struct stat made;

        (void)snprintf(path, sizeof(path), "%s/grub.cfg", grub_directory);
        if (fstatat(root->fd, path, &made, 0) < 0)
                return -errno;
        (void)snprintf(ret, BOOT_PATH_SIZE, "etc/default/grub");
        return is_newer(root, ret, &made.st_mtim) ||
               has_newer(root, "etc/default/grub.d", &made.st_mtim, ret) ||
               has_newer(root, "etc/grub.d", &made.st_mtim, ret);
}
