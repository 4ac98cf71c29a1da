/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Not getpwent(3), which may ask a directory service for everybody that it knows; who is logged in
 * is known to logind, and whose home directory is named anywhere is found by that (redact()).
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "capture.h"
#include "guest-scan.h"
#include "identity.h"
#include "model/config-keys.h"
#include "state-files.h"

#define HOSTNAME_FILE_MAX (64 * 1024)
#define FIRST_PERSON 1000 /* systemd: SYSTEM_UID_MAX + 1 */
#define NOBODY 65534
#define ID "\nID="
#define RESOLV_FILE_MAX (64 * 1024)
#define LOGIN_DIR "run/systemd/users"
#define LOGIN_NAME "\nNAME="

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

static bool is_in_name_below(const Root *root, const char *directory, const char *word) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, directory);
        const struct dirent *entry;
        bool is_in = false;

        while (dir && !is_in && (entry = readdir(dir)))
                is_in = redact_has_word(entry->d_name, word);
        return is_in;
}

/* Part of the name of a subsystem, a disk, a driver or a module, or a word of the release, such as
 * "pve". */
static bool is_of_kernel(const Root *root, const char *word) {
        static const char *const directories[] = { "sys/class", "sys/class/block", "sys/bus",
                                                   "sys/bus/pci/drivers", "sys/module" };
        char release[128];

        for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
                if (is_in_name_below(root, directories[i], word))
                        return true;
        return file_read_line_at(root->fd, "proc/sys/kernel/osrelease", release, sizeof(release)) >
                       0 &&
               redact_has_word(release, word);
}

/* A key of vfio-mode.ini, or a word that it may have. */
static bool is_of_config_file(const char *word) {
        for (ConfigKeyId id = 0; id < CONFIG_KEY_COUNT; id++)
                if (redact_has_word(config_key(id)->name, word) ||
                    redact_has_word(config_key(id)->range, word))
                        return true;
        return false;
}

/* It would be taken out of addresses and ids. */
static bool is_number(const char *word) {
        size_t length = strlen(word);

        return word[strspn(word, "0123456789abcdefABCDEF")] == '\0' &&
               strcspn(word, "0123456789") < length;
}

static bool is_public(const Root *root, const Config *config, const Host *host, const char *word) {
        static const char *const words[] = {
                "address", "amd",         "boot",      "card",     "check",       "console",
                "default", "display",     "driver",    "fallback", "function",    "functions",
                "gpu",     "guest",       "host",      "id",       "input",       "intel",
                "iommu",   "kernel",      "linux",     "local",    "localdomain", "localhost",
                "machine", "memory",      "message",   "mode",     "network",     "none",
                "nvidia",  "passthrough", "pci",       "process",  "quiet",       "reason",
                "result",  "root",        "since",     "source",   "status",      "storage",
                "switch",  "system",      "systemd",   "text",     "unit",        "usb",
                "user",    "vfio",        "vfio-mode", "vga",      "video",       "virtual",
                "vm"
        };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcasecmp(words[i], word) == 0)
                        return true;
        return is_number(word) || is_of_config_file(word) || is_configured(config, word) ||
               is_a_driver(host, word) || is_distribution(root, word) || is_of_kernel(root, word) ||
               capture_has_word(word);
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

/* "example.org"; one of a single word, such as "home", is nobody's. */
static int add_domain(const Reading *reading, const char *domain) {
        domain += strspn(domain, ".");
        return strchr(domain, '.') ? add(reading, REDACT_HOST_NAME, domain) : 0;
}

/* "pc.example.org" and its parts, which stand alone elsewhere. */
static int add_host(const Reading *reading, char *name) {
        int r = add(reading, REDACT_HOST_NAME, name);
        char *dot = strchr(name, '.');

        if (r >= 0 && dot)
                r = add_domain(reading, dot);
        if (dot)
                *dot = '\0';
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

/* The domains that names are looked up in (resolv.conf(5)). */
static int read_domains(const Reading *reading) {
        _cleanup_free_ char *text = NULL;
        char *cursor, *line;
        int r = 0;

        if (file_read_alloc_at(reading->root->fd, "etc/resolv.conf", RESOLV_FILE_MAX, &text) < 0)
                return 0;
        cursor = text;
        while (r >= 0 && (line = strsep(&cursor, "\n"))) {
                const char *word = strsep(&line, " \t");

                if (strcmp(word, "search") != 0 && strcmp(word, "domain") != 0)
                        continue;
                while (r >= 0 && (word = strsep(&line, " \t\r")))
                        r = add_domain(reading, word);
        }
        return r;
}

/* With the name of the person behind it (passwd(5)). */
static int add_user(const Reading *reading, const struct passwd *entry) {
        int r = add(reading, REDACT_USER_NAME, entry->pw_name);

        entry->pw_gecos[strcspn(entry->pw_gecos, ",")] = '\0';
        return r < 0 ? r : add(reading, REDACT_USER_NAME, entry->pw_gecos);
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
                        r = add_user(reading, entry);
        return r;
}

/* Who is logged in, wherever the name comes from (systemd: src/login/logind-user.c). */
static int add_logged_in(const Reading *reading) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(reading->root->fd, LOGIN_DIR);
        const struct dirent *entry;
        int r = 0;

        while (dir && r >= 0 && (entry = readdir(dir))) {
                char path[sizeof(LOGIN_DIR "/") + NAME_MAX], text[4096], *name;

                if (strtoul(entry->d_name, NULL, 10) < FIRST_PERSON)
                        continue;
                (void)snprintf(path, sizeof(path), LOGIN_DIR "/%s", entry->d_name);
                text[0] = '\n';
                if (file_read_at(reading->root->fd, path, text + 1, sizeof(text) - 1) < 0)
                        continue;
                name = strstr(text, LOGIN_NAME);
                if (!name)
                        continue;
                name += strlen(LOGIN_NAME);
                name[strcspn(name, "\n")] = '\0';
                r = add(reading, REDACT_USER_NAME, name);
        }
        return r;
}

/* Without what no machine's name may have, as libvirt calls its scope (libvirt:
 * src/hypervisor/domain_driver.c, virDomainDriverGenerateMachineName()). */
static int add_scope(const Reading *reading, const char *guest) {
        char name[VM_NAME_SIZE];
        size_t n = 0;

        for (; *guest && n < sizeof(name) - 1; guest++)
                if (isalnum((unsigned char)*guest) || *guest == '-' || *guest == '.')
                        name[n++] = *guest;
        name[n] = '\0';
        return add(reading, REDACT_GUEST_NAME, name);
}

/* Also those that have no function of the host: hooks may be for them. */
static int add_every_guest(const Reading *reading) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(reading->root->fd, LIBVIRT_GUESTS_DIR);
        const struct dirent *entry;
        int r = 0;

        while (dir && r >= 0 && (entry = readdir(dir))) {
                char name[NAME_MAX + 1], *suffix;

                (void)snprintf(name, sizeof(name), "%s", entry->d_name);
                suffix = strrchr(name, '.');
                if (!suffix || strcmp(suffix, ".xml") != 0)
                        continue;
                *suffix = '\0';
                r = add(reading, REDACT_GUEST_NAME, name);
                if (r >= 0)
                        r = add_scope(reading, name);
        }
        return r;
}

/* Guests of Proxmox VE are numbers. */
static int add_guests(const Reading *reading) {
        _cleanup_free_ GuestDefinitions *guests = calloc(1, sizeof(*guests));
        _cleanup_free_ VmList *told = calloc(1, sizeof(*told));
        int r = 0;

        if (!guests || !told)
                return -ENOMEM;
        guest_scan(reading->root, guests);
        for (size_t i = 0; i < guests->n && r >= 0; i++)
                r = add(reading, REDACT_GUEST_NAME, guests->guests[i].vm.name);
        if (vm_list_read(reading->root, told) < 0)
                told->n = 0;
        for (size_t i = 0; i < told->n && r >= 0; i++)
                r = add(reading, REDACT_GUEST_NAME, told->vms[i].name);
        return r < 0 ? r : add_every_guest(reading);
}

int identity_read(const Root *root, const Config *config, const Host *host, Redactor *redactor) {
        const Reading reading = { root, config, host, redactor };
        int r;

        r = read_host(&reading, "etc/hostname");
        if (r >= 0)
                r = read_host(&reading, "proc/sys/kernel/hostname");
        if (r >= 0)
                r = read_domains(&reading);
        if (r >= 0)
                r = add_users(&reading);
        if (r >= 0)
                r = add_logged_in(&reading);
        return r < 0 ? r : add_guests(&reading);
}
