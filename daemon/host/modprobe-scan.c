/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "modprobe-scan.h"

#define FILES_MAX 256
#define PATH_SIZE (32 + 256)
#define ALIASES_SIZE_MAX (64 * 1024 * 1024)

/* As libkmod looks at them (kmod: libkmod/libkmod.c, default_config_paths). */
static const char *const directories[] = { "etc/modprobe.d", "run/modprobe.d",
                                           "usr/local/lib/modprobe.d", "usr/lib/modprobe.d",
                                           "lib/modprobe.d" };

typedef struct Files {
        char paths[FILES_MAX][PATH_SIZE];
        size_t n;
} Files;

static const char *file_name(const char *path) {
        return strrchr(path, '/') + 1;
}

static bool is_taken(const Files *files, const char *name) {
        for (size_t i = 0; i < files->n; i++)
                if (strcmp(file_name(files->paths[i]), name) == 0)
                        return true;
        return false;
}

static bool is_config(const char *name) {
        const char *suffix = strrchr(name, '.');

        return name[0] != '.' && suffix &&
               (strcmp(suffix, ".conf") == 0 || strcmp(suffix, ".alias") == 0);
}

static int add_files(const Root *root, const char *directory, Files *files, ModprobeVisit visit,
                     void *userdata) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, directory);
        const struct dirent *entry;

        if (!dir && errno != ENOENT)
                visit(directory, NULL, -errno, userdata);
        while (dir && (entry = readdir(dir))) {
                if (!is_config(entry->d_name) || is_taken(files, entry->d_name))
                        continue;
                if (files->n == FILES_MAX)
                        return -E2BIG;
                (void)snprintf(files->paths[files->n++], PATH_SIZE, "%s/%s", directory,
                               entry->d_name);
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(file_name(a), file_name(b));
}

static void visit_file(const Root *root, const char *path, ModprobeVisit visit, void *userdata) {
        _cleanup_free_ char *text = NULL;
        const char *cursor;
        unsigned number = 0;
        ModprobeLine line;
        ssize_t n;

        n = file_read_alloc_at(root->fd, path, MODPROBE_CONFIG_SIZE_MAX, &text);
        if (n < 0) {
                /* A link that leads nowhere has nothing to say. */
                if (n != -ENOENT)
                        visit(path, NULL, (int)n, userdata);
                return;
        }
        cursor = text;
        while (modprobe_config_next(&cursor, &number, &line))
                visit(path, &line, 0, userdata);
}

int modprobe_scan(const Root *root, ModprobeVisit visit, void *userdata) {
        _cleanup_free_ Files *files = calloc(1, sizeof(*files));
        int r = 0;

        if (!files)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(directories); i++)
                r = add_files(root, directories[i], files, visit, userdata);
        qsort(files->paths, files->n, sizeof(files->paths[0]), compare_names);
        for (size_t i = 0; i < files->n; i++)
                visit_file(root, files->paths[i], visit, userdata);
        return r;
}

/* --- modules.alias --- */

static void add_module(ModulesFor *modules, const char *name, size_t length) {
        char copy[CONFIG_DRIVER_SIZE];

        if (parse_copy(copy, sizeof(copy), name, length) < 0 || modules->n == MODULES_FOR_MAX)
                return;
        for (size_t i = 0; i < modules->n; i++)
                if (strcmp(modules->names[i], copy) == 0)
                        return;
        (void)memcpy(modules->names[modules->n++], copy, sizeof(copy));
}

/* "alias PATTERN MODULE", as depmod(8) writes it. */
static void match_line(char *line, const char *modalias, ModulesFor *ret) {
        char *pattern, *module;

        if (strncmp(line, "alias ", 6) != 0)
                return;
        pattern = line + 6;
        module = strrchr(pattern, ' ');
        if (!module)
                return;
        *module++ = '\0';
        if (fnmatch(pattern, modalias, 0) == 0)
                add_module(ret, module, strlen(module));
}

int modules_for(const Root *root, const char *modalias, ModulesFor *ret) {
        _cleanup_free_ char *text = NULL;
        char release[128], path[192];
        char *cursor, *line;

        ret->n = 0;
        if (file_read_line_at(root->fd, "proc/sys/kernel/osrelease", release, sizeof(release)) <= 0)
                return -ENOENT;
        (void)snprintf(path, sizeof(path), "lib/modules/%s/modules.alias", release);
        if (file_read_alloc_at(root->fd, path, ALIASES_SIZE_MAX, &text) < 0)
                return -ENOENT;
        cursor = text;
        while ((line = strsep(&cursor, "\n")))
                match_line(line, modalias, ret);
        return 0;
}
