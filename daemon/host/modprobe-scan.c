/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "model/modules-alias.h"
#include "modprobe-scan.h"

#define FILES_MAX 256
#define PATH_SIZE (32 + 256)
#define ALIASES_SIZE_MAX (64 * 1024 * 1024)
#define MODALIAS_SIZE 128

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

static int read_aliases(const Root *root, char path[static MODULES_ALIAS_PATH_SIZE], char **ret) {
        char release[128];

        if (file_read_line_at(root->fd, "proc/sys/kernel/osrelease", release, sizeof(release)) <= 0)
                return -ENOENT;
        (void)snprintf(path, MODULES_ALIAS_PATH_SIZE, "lib/modules/%s/modules.alias", release);
        return file_read_alloc_at(root->fd, path, ALIASES_SIZE_MAX, ret) < 0 ? -ENOENT : 0;
}

int modules_for(const Root *root, const char *modalias, ModulesFor *ret) {
        _cleanup_free_ char *text = NULL;
        char path[MODULES_ALIAS_PATH_SIZE], *cursor;
        ModulesAlias alias;
        int r;

        ret->n = 0;
        r = read_aliases(root, path, &text);
        if (r < 0)
                return r;
        cursor = text;
        while (modules_alias_next(&cursor, &alias))
                if (modules_alias_is_for(&alias, modalias))
                        add_module(ret, alias.module, strlen(alias.module));
        return 0;
}

/* --- those of this machine's functions --- */

typedef struct Modalias {
        char text[sizeof("vfio_") - 1 + MODALIAS_SIZE]; /* with room for the prefix */
} Modalias;

static size_t read_modaliases(const Root *root, const Host *host, Modalias *ret) {
        size_t n = 0;

        for (size_t i = 0; i < host->n_functions; i++) {
                char address[PCI_ADDRESS_SIZE], path[64], modalias[MODALIAS_SIZE];

                (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/modalias",
                               pci_address_format(host->functions[i].address, address));
                if (file_read_line_at(root->fd, path, modalias, sizeof(modalias)) > 0)
                        (void)snprintf(ret[n++].text, sizeof(ret->text), "vfio_%s", modalias);
        }
        return n;
}

static bool is_for_any(const ModulesAlias *alias, const Modalias *modaliases, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (modules_alias_is_for(alias, modaliases[i].text) ||
                    modules_alias_is_for(alias, modaliases[i].text + strlen("vfio_")))
                        return true;
        return false;
}

static int take_lines(const Root *root, const Host *host, char *text, FILE *out) {
        Modalias *modaliases = calloc(host->n_functions + 1, sizeof(*modaliases));
        ModulesAlias alias;
        size_t n;

        if (!modaliases)
                return -ENOMEM;
        n = read_modaliases(root, host, modaliases);
        while (modules_alias_next(&text, &alias))
                if (is_for_any(&alias, modaliases, n))
                        (void)fprintf(out, "alias %s %s\n", alias.pattern, alias.module);
        free(modaliases);
        return 0;
}

static int extract(const Root *root, const Host *host, char *text, char **ret) {
        _cleanup_free_ char *taken = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&taken, &size);
        int r;

        if (!out)
                return -ENOMEM;
        r = take_lines(root, host, text, out);
        if (fclose(out) != 0)
                r = -ENOMEM;
        if (r >= 0)
                *ret = TAKE_PTR(taken);
        return r;
}

int modules_alias_extract(const Root *root, const Host *host,
                          char path[static MODULES_ALIAS_PATH_SIZE], char **ret) {
        _cleanup_free_ char *text = NULL;
        int r = read_aliases(root, path, &text);

        return r < 0 ? r : extract(root, host, text, ret);
}
