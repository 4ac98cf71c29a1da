/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds and reads the files; what they mean is model/config's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "config-load.h"

#define SUFFIX ".ini"

void config_files_done(ConfigFiles *files) {
        for (size_t i = 0; i < files->n_files; i++) {
                free(files->names[i]);
                free(files->texts[i]);
        }
        files->n_files = 0;
}

/* An error of a whole file, in the same form as those of its lines. */
static int fail(ConfigErrors *errors, const char *file, int error) {
        ConfigError *first = &errors->errors[0];

        *first = (ConfigError){ .file = file };
        (void)snprintf(first->text, sizeof(first->text), "cannot be read: %s",
                       error == -EFBIG ? "it is larger than 128 KiB" : strerror(-error));
        errors->n_errors = 1;
        return error;
}

/* @name is what messages say; @path is what is opened below @dir_fd. */
static int add_file(int dir_fd, const char *path, const char *name, ConfigFiles *files,
                    ConfigErrors *errors) {
        size_t i = files->n_files;
        ssize_t n;

        files->texts[i] = NULL;
        files->names[i] = strdup(name);
        if (!files->names[i])
                return fail(errors, "(memory)", -ENOMEM);
        files->n_files++;
        n = file_read_alloc_at(dir_fd, path, CONFIG_FILE_MAX, &files->texts[i]);
        if (n < 0)
                return fail(errors, files->names[i], (int)n);
        files->sizes[i] = (size_t)n;
        return 0;
}

static int is_dropin(const struct dirent *entry) {
        size_t length = strlen(entry->d_name);

        return entry->d_name[0] != '.' && length > strlen(SUFFIX) &&
               strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static void free_entries(struct dirent **entries, int n) {
        for (int i = 0; i < n; i++)
                free(entries[i]);
        free(entries);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_dropins(const Root *root, ConfigFiles *files, ConfigErrors *errors) {
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandirat(root->fd, CONFIG_DROPIN_DIR, &entries, is_dropin, by_name);
        if (n < 0)
                return errno == ENOENT ? 0 : fail(errors, "/" CONFIG_DROPIN_DIR, -errno);
        if (n > CONFIG_DROPINS_MAX)
                r = fail(errors, "/" CONFIG_DROPIN_DIR, -E2BIG);
        for (int i = 0; i < n && r >= 0; i++) {
                char name[sizeof("/" CONFIG_DROPIN_DIR "/") + NAME_MAX];

                (void)snprintf(name, sizeof(name), "/%s/%s", CONFIG_DROPIN_DIR, entries[i]->d_name);
                r = add_file(root->fd, name + 1, name, files, errors);
        }
        free_entries(entries, n);
        return r;
}

static int parse_files(const ConfigFiles *files, Config *ret, ConfigErrors *errors) {
        ConfigSource sources[1 + CONFIG_DROPINS_MAX];

        for (size_t i = 0; i < files->n_files; i++)
                sources[i] = (ConfigSource){
                        .file = files->names[i],
                        .text = files->texts[i],
                        .size = files->sizes[i],
                };
        return config_parse(sources, files->n_files, ret, errors);
}

int config_load(const Root *root, ConfigFiles *files, Config *ret, ConfigErrors *errors) {
        int r;

        r = add_file(root->fd, CONFIG_PATH, "/" CONFIG_PATH, files, errors);
        if (r == -ENOENT)
                (void)snprintf(errors->errors[0].text, sizeof(errors->errors[0].text),
                               "does not exist (vfio-modectl init proposes one)");
        if (r >= 0)
                r = add_dropins(root, files, errors);
        return r < 0 ? r : parse_files(files, ret, errors);
}

int config_load_file(const char *path, ConfigFiles *files, Config *ret, ConfigErrors *errors) {
        int r;

        r = add_file(AT_FDCWD, path, path, files, errors);
        return r < 0 ? r : parse_files(files, ret, errors);
}

int config_load_accepted(const Root *root, ConfigFiles *files, Config *ret, ConfigErrors *errors) {
        int r;

        r = add_file(root->fd, CONFIG_ACCEPTED_PATH, "/" CONFIG_ACCEPTED_PATH, files, errors);
        return r < 0 ? r : parse_files(files, ret, errors);
}
