/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "scripts.h"

#define FILES_MAX 256 /* that are read */
#define DIRS_MAX 32   /* that wait to be looked into */
#define DIRS_SEEN_MAX 128

typedef char ScriptPath[384];

typedef struct Walk {
        const Root *root;
        ScriptVisit visit;
        void *userdata;
        ScriptPath waiting[DIRS_MAX];
        size_t n_waiting, n_files;
        struct {
                dev_t device;
                ino_t number;
        } seen[DIRS_SEEN_MAX];
        size_t n_seen;
} Walk;

static void look_at_file(Walk *walk, const char *path, mode_t mode) {
        _cleanup_free_ char *text = NULL;

        walk->n_files++;
        if (file_read_alloc_at(walk->root->fd, path, SCRIPT_SIZE_MAX, &text) >= 0)
                walk->visit(path, mode & 0111, text, walk->userdata);
}

/* A link may lead to where we have been. */
static bool is_new(Walk *walk, int fd) {
        struct stat found;

        if (fstat(fd, &found) < 0)
                return false;
        for (size_t i = 0; i < walk->n_seen; i++)
                if (walk->seen[i].device == found.st_dev && walk->seen[i].number == found.st_ino)
                        return false;
        walk->seen[walk->n_seen].device = found.st_dev;
        walk->seen[walk->n_seen++].number = found.st_ino;
        return true;
}

static void look_into(Walk *walk, const char *directory) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(walk->root->fd, directory);
        const struct dirent *entry;
        struct stat found;

        if (!dir || !is_new(walk, dirfd(dir)))
                return;
        while (walk->n_files < FILES_MAX && (entry = readdir(dir))) {
                ScriptPath path;
                int n;

                n = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
                if (entry->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof(path) ||
                    fstatat(walk->root->fd, path, &found, 0) < 0)
                        continue;
                if (S_ISREG(found.st_mode))
                        look_at_file(walk, path, found.st_mode);
                else if (S_ISDIR(found.st_mode) && walk->n_waiting < DIRS_MAX)
                        (void)memcpy(walk->waiting[walk->n_waiting++], path, sizeof(path));
        }
}

void scripts_visit(const Root *root, const char *directory, ScriptVisit visit, void *userdata) {
        _cleanup_free_ Walk *walk = calloc(1, sizeof(*walk));

        if (!walk)
                return;
        *walk = (Walk){ .root = root, .visit = visit, .userdata = userdata, .n_waiting = 1 };
        (void)snprintf(walk->waiting[0], sizeof(ScriptPath), "%s", directory);
        for (unsigned seen = 0; walk->n_waiting > 0 && seen < DIRS_SEEN_MAX; seen++) {
                ScriptPath next;

                (void)memcpy(next, walk->waiting[--walk->n_waiting], sizeof(next));
                look_into(walk, next);
        }
}

bool script_names_function(const char *text, PciAddress address) {
        char plain[PCI_ADDRESS_SIZE], node[PCI_ADDRESS_SIZE];

        (void)pci_address_format(address, plain);
        (void)memcpy(node, plain, sizeof(node));
        for (char *c = node; *c; c++)
                if (*c == ':' || *c == '.')
                        *c = '_';
        return strstr(text, plain) || strstr(text, node);
}
