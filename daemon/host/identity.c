/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Not getpwent(3), which may ask a directory service for everybody that it knows; whose home
 * directory is named anywhere is found by that (redact()).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "capture.h"
#include "identity.h"

#define HOSTNAME_FILE_MAX (64 * 1024)
#define FIRST_PERSON 1000 /* systemd: SYSTEM_UID_MAX + 1 */
#define NOBODY 65534
#define ID "\nID="

static bool is_a_driver(const Host *host, const char *word) {
        for (size_t i = 0; i < host->n_functions; i++)
                if (strcasecmp(host->functions[i].driver, word) == 0)
                        return true;
        return false;
}

static bool is_configured(const Config *config, const char *word) {
        if (!config)
                return false;
        for (size_t i = 0; i < config->n_devices; i++)
                if (strcasecmp(config->devices[i].name, word) == 0)
                        return true;
        for (size_t i = 0; i < config->n_modes; i++)
                if (strcasecmp(config->modes[i].name, word) == 0)
                        return true;
        return false;
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
        return strcasecmp(id, word) == 0;
}

/* A subsystem, a disk, a driver or a module, or a word of the release, such as "pve". */
static bool is_of_kernel(const Root *root, const char *word) {
        static const char *const directories[] = { "sys/class", "sys/class/block", "sys/bus",
                                                   "sys/bus/pci/drivers", "sys/module" };
        char release[128], name[REDACT_WORD_SIZE], path[REDACT_WORD_SIZE + 32];
        size_t length = strlen(word);

        if (length >= sizeof(name) || strchr(word, '/'))
                return false;
        for (size_t i = 0; i <= length; i++)
                name[i] = (char)tolower((unsigned char)word[i]);
        for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", directories[i], name);
                if (faccessat(root->fd, path, F_OK, 0) == 0)
                        return true;
        }
        return file_read_line_at(root->fd, "proc/sys/kernel/osrelease", release, sizeof(release)) >
                       0 &&
               redact_has_word(release, name);
}

static bool is_public(const Root *root, const Config *config, const Host *host, const char *word) {
        static const char *const words[] = {
                "address",     "amd",       "boot",        "card",   "console", "display",
                "driver",      "fallback",  "functions",   "gpu",    "host",    "id",
                "input",       "intel",     "iommu",       "kernel", "linux",   "local",
                "localdomain", "localhost", "machine",     "memory", "mode",    "network",
                "none",        "nvidia",    "passthrough", "pci",    "process", "quiet",
                "root",        "storage",   "switch",      "system", "systemd", "usb",
                "user",        "vfio",      "vfio-mode",   "vga",    "video",   "virtual"
        };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcasecmp(words[i], word) == 0)
                        return true;
        return is_configured(config, word) || is_a_driver(host, word) ||
               is_distribution(root, word) || is_of_kernel(root, word) || capture_has_word(word);
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
static int add_host(const Reading *reading, char *name) {
        int r = add(reading, REDACT_HOST_NAME, name);

        name[strcspn(name, ".")] = '\0';
        return r < 0 ? r : add(reading, REDACT_HOST_NAME, name);
}

/* In the first line that is neither empty nor a comment (hostname(5)). */
static int read_host(const Reading *reading, const char *path) {
        static const char blanks[] = " \t\r";
        _cleanup_free_ char *text = NULL;
        char *cursor, *line;

        if (file_read_alloc_at(reading->root->fd, path, HOSTNAME_FILE_MAX, &text) < 0)
                return 0;
        cursor = text;
        while ((line = strsep(&cursor, "\n"))) {
                line += strspn(line, blanks);
                line[strcspn(line, blanks)] = '\0';
                if (line[0] != '\0' && line[0] != '#')
                        return add_host(reading, line);
        }
        return 0;
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

        r = read_host(&reading, "etc/hostname");
        if (r >= 0)
                r = read_host(&reading, "proc/sys/kernel/hostname");
        return r < 0 ? r : add_users(&reading);
}
