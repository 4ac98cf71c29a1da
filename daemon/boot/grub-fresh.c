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

static bool is_later(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* A package keeps the times that its files were made at: there, when they came is what counts. That
 * is lost where files were copied. */
static struct timespec time_of(const Root *root, const struct stat *file) {
        return root->is_live && is_later(&file->st_ctim, &file->st_mtim) ? file->st_ctim
                                                                         : file->st_mtim;
}

static bool is_newer(const Root *root, const char *path, mode_t bits, const struct timespec *made) {
        struct timespec changed;
        struct stat found;

        if (fstatat(root->fd, path, &found, 0) < 0 || !S_ISREG(found.st_mode) ||
            (found.st_mode & bits) != bits)
                return false;
        changed = time_of(root, &found);
        return is_later(&changed, made);
}

static bool has_newer(const Root *root, const char *directory, mode_t bits,
                      const struct timespec *made, char ret[static BOOT_PATH_SIZE]) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, directory);
        const struct dirent *entry;
        size_t n_files = 0;

        while (dir && n_files++ < FILES_MAX && (entry = readdir(dir))) {
                int n = snprintf(ret, BOOT_PATH_SIZE, "%s/%s", directory, entry->d_name);

                if (entry->d_name[0] != '.' && n > 0 && n < BOOT_PATH_SIZE &&
                    is_newer(root, ret, bits, made))
                        return true;
        }
        return false;
}

int grub_find_newer_source(const Root *root, const char *grub_directory,
                           char ret[static BOOT_PATH_SIZE]) {
        char path[BOOT_PATH_SIZE + sizeof("/grub.cfg")];
        struct timespec made;
        struct stat found;

        (void)snprintf(path, sizeof(path), "%s/grub.cfg", grub_directory);
        if (fstatat(root->fd, path, &found, 0) < 0)
                return -errno;
        made = time_of(root, &found);
        (void)snprintf(ret, BOOT_PATH_SIZE, "etc/default/grub");
        /* grub-mkconfig runs what is executable. */
        return is_newer(root, ret, 0, &made) ||
               has_newer(root, "etc/default/grub.d", 0, &made, ret) ||
               has_newer(root, "etc/grub.d", S_IXUSR, &made, ret);
}
