/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Not getpwent(3), which may ask a directory service for everybody that it knows; whose home
 * directory is named anywhere is found by that (redact()).
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "identity.h"

#define FIRST_PERSON 1000 /* systemd: SYSTEM_UID_MAX + 1 */
#define NOBODY 65534
#define ID "\nID="

static bool is_a_driver(const Host *host, const char *word) {
        for (size_t i = 0; i < host->n_functions; i++)
                if (strcmp(host->functions[i].driver, word) == 0)
                        return true;
        return false;
}

static bool is_configured(const Config *config, const char *word) {
        if (!config)
                return false;
        for (size_t i = 0; i < config->n_devices; i++)
                if (strcmp(config->devices[i].name, word) == 0)
                        return true;
        return config_find_mode(config, word);
}

/* The distribution's name, which many call their machine. */
static bool is_distribution(const Root *root, const char *word) {
        char text[4096], *id;

        text[0] = '\n';
        if (file_read_at(root->fd, "etc/os-release", text + 1, sizeof(text) - 1) < 0 &&
            file_read_at(root->fd, "usr/lib/os-release", text + 1, sizeof(text) - 1) < 0)
                return false;
        id = strstr(text, ID);
        if (!id)
                return false;
        id += strlen(ID);
        id[strcspn(id, "\n")] = '\0';
        return strcmp(id, word) == 0;
}

static bool is_public(const Root *root, const Config *config, const Host *host, const char *word) {
        static const char *const words[] = { "boot",      "display",     "fallback", "gpu",
                                             "host",      "linux",       "local",    "localdomain",
                                             "localhost", "machine",     "mode",     "network",
                                             "none",      "passthrough", "process",  "root",
                                             "switch",    "system",      "systemd",  "user",
                                             "vfio",      "vfio-mode" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return is_configured(config, word) || is_a_driver(host, word) ||
               is_distribution(root, word);
}

typedef struct Reading {
        const Root *root;
        const Config *config;
        const Host *host;
        Redactor *redactor;
} Reading;

static int add(const Reading *reading, RedactWord kind, const char *word) {
        int r;

        if (is_public(reading->root, reading->config, reading->host, word))
                return 0;
        r = redactor_add_word(reading->redactor, kind, word);
        return r == -EINVAL ? 0 : r;
}

/* Both "pc.example.org" and "pc", which stands alone elsewhere. */
static int add_host(const Reading *reading, const char *path) {
        char name[REDACT_WORD_SIZE];
        int r;

        if (file_read_line_at(reading->root->fd, path, name, sizeof(name)) <= 0)
                return 0;
        r = add(reading, REDACT_HOST_NAME, name);
        name[strcspn(name, ".")] = '\0';
        return r < 0 ? r : add(reading, REDACT_HOST_NAME, name);
}

static int add_users(const Reading *reading) {
        int fd = openat(reading->root->fd, "etc/passwd", O_RDONLY | O_CLOEXEC), r = 0;
        _cleanup_fclose_ FILE *file = NULL;
        const struct passwd *entry;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        file = fdopen(fd, "r");
        if (!file) {
                closep(&fd);
                return -ENOMEM;
        }
        while (r >= 0 && (entry = fgetpwent(file)))
                if (entry->pw_uid >= FIRST_PERSON && entry->pw_uid != NOBODY)
                        r = add(reading, REDACT_USER_NAME, entry->pw_name);
        return r;
}

int identity_read(const Root *root, const Config *config, const Host *host, Redactor *redactor) {
        const Reading reading = { root, config, host, redactor };
        int r;

        r = add_host(&reading, "etc/hostname");
        if (r >= 0)
                r = add_host(&reading, "proc/sys/kernel/hostname");
        return r < 0 ? r : add_users(&reading);
}
