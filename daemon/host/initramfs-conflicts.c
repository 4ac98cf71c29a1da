/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only the sources of an image are read: to look into one takes seconds, and its tool. Where the
 * tool is not there its files are only left over.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "initramfs-conflicts.h"
#include "model/modprobe-config.h"
#include "model/setup.h"
#include "scripts.h"

#define MODULES "etc/initramfs-tools/modules"
#define MODULES_SIZE_MAX (256 * 1024)
#define DRACUT_MODULES "usr/lib/dracut/modules.d"
#define PATH_SIZE 384

/* A program that makes images, and where a person's scripts are that it puts there. */
typedef struct Tool {
        const char *program;
        const char *scripts;
        const char *before, *behind; /* of a script's path, in what to do */
        bool needs_mode;             /* it takes those alone that are executable */
} Tool;

static const Tool initramfs_tools = { "usr/sbin/update-initramfs", "etc/initramfs-tools/scripts",
                                      "chmod a-x /", " && update-initramfs -u -k all", true };
static const Tool mkinitcpio = { "usr/bin/mkinitcpio", "etc/initcpio/hooks", "Take the hook /",
                                 " out of HOOKS in /etc/mkinitcpio.conf, then: mkinitcpio -P",
                                 false };
/* Where packages have theirs, too: these a person's guide has called so. */
static const Tool dracut = { "usr/bin/dracut", DRACUT_MODULES, "Take the module with /",
                             " away, then: dracut --force --regenerate-all", false };

typedef struct Search {
        const Host *host;
        const PciAddress *functions;
        size_t n_functions;
        Conflicts *ret;
        const Tool *tool;
} Search;

/* --- modules --- */

/* "vfio_pci ids=10de:2484,10de:228b", as modprobe(8) is then called. */
static void look_at_line(const Search *search, const char *line, unsigned number) {
        char module[MODPROBE_WORD_SIZE], ids[MODPROBE_VALUE_SIZE], advice[128];
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE];
        size_t length;
        const char *word = parse_word(&line, &length);

        if (!word || parse_copy(module, sizeof(module), word, length) < 0 ||
            !(modprobe_is_same_module(module, "vfio_pci") ||
              modprobe_is_same_module(module, "pci_stub")) ||
            !modprobe_option(line, "ids", ids, sizeof(ids)))
                return;
        (void)snprintf(advice, sizeof(advice),
                       "sed --in-place --follow-symlinks '%us/^/#/' /" MODULES
                       " && update-initramfs -u -k all",
                       number);
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);

                if (!function || !setup_lists_id(ids, function->id))
                        continue;
                conflicts_add(search->ret, false, advice,
                              "The initramfs loads %s with ids= and so gives it every %s, also %s, "
                              "at every boot (/" MODULES ":%u).",
                              module, pci_id_format(function->id, id),
                              pci_address_format(function->address, address), number);
                return;
        }
}

static void look_at_modules(const Search *search, const Root *root) {
        _cleanup_free_ char *text = NULL;
        char *cursor, *line;

        if (file_read_alloc_at(root->fd, MODULES, MODULES_SIZE_MAX, &text) < 0)
                return;
        cursor = text;
        for (unsigned number = 1; (line = strsep(&cursor, "\n")); number++)
                look_at_line(search, line, number);
}

/* --- scripts --- */

static bool line_gives_to_driver(const char *line, size_t length) {
        static const char *const words[] = { "driver_override", "/new_id", "/bind", "ids=" };

        for (size_t i = 0; *line != '#' && i < ARRAY_SIZE(words); i++)
                if (memmem(line, length, words[i], strlen(words[i])))
                        return true;
        return false;
}

/* Others may set a card's registers, or look whether it is there. */
static bool gives_to_driver(const char *text) {
        while (*text) {
                const char *line = text + strspn(text, " \t");
                size_t length = strcspn(line, "\n");

                if (line_gives_to_driver(line, length))
                        return true;
                text = line + length + (line[length] != '\0');
        }
        return false;
}

/* As options have them, and as new_id does. */
static bool names_id(const char *text, PciId id) {
        static const char *const between[] = { ":", " ", " 0x" };

        for (size_t i = 0; i < ARRAY_SIZE(between); i++) {
                char both[sizeof("ffff 0xffff")];

                (void)snprintf(both, sizeof(both), "%04x%s%04x", id.vendor, between[i], id.device);
                if (strcasestr(text, both))
                        return true;
        }
        return false;
}

/* No other name gets into initramfs-tools' images. */
static bool is_plain(const char *name) {
        for (; *name; name++)
                if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
                        return false;
        return true;
}

/* Guides also have one that takes each card that the PC does not boot with. */
static void look_at_script(const char *path, bool is_executable, const char *text, void *userdata) {
        const Search *search = userdata;
        const Tool *tool = search->tool;
        char address[PCI_ADDRESS_SIZE], advice[sizeof(search->ret->conflicts[0].advice)];
        bool finds_cards = strstr(text, "boot_vga");

        if (!gives_to_driver(text) ||
            (tool->needs_mode && (!is_executable || !is_plain(strrchr(path, '/') + 1))))
                return;
        (void)snprintf(advice, sizeof(advice), "%s%s%s", tool->before, path, tool->behind);
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);

                if (!function || !(script_names_function(text, function->address) ||
                                   names_id(text, function->id) ||
                                   (finds_cards && function_is_display(function))))
                        continue;
                conflicts_add(
                        search->ret, false, advice,
                        "/%s is for the initramfs, and may give %s to another driver at every "
                        "boot.",
                        path, pci_address_format(function->address, address));
                return;
        }
}

static void look_at_dracut(Search *search, const Root *root) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, DRACUT_MODULES);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                char path[PATH_SIZE];

                (void)snprintf(path, sizeof(path), DRACUT_MODULES "/%s", entry->d_name);
                if (strstr(entry->d_name, "vfio"))
                        scripts_visit(root, path, look_at_script, search);
        }
}

static bool has_tool(Search *search, const Root *root, const Tool *tool) {
        search->tool = tool;
        return faccessat(root->fd, tool->program, F_OK, 0) == 0;
}

void initramfs_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                              size_t n_functions, Conflicts *ret) {
        Search search = { host, functions, n_functions, ret, NULL };

        if (has_tool(&search, root, &initramfs_tools)) {
                look_at_modules(&search, root);
                scripts_visit(root, initramfs_tools.scripts, look_at_script, &search);
        }
        if (has_tool(&search, root, &mkinitcpio))
                scripts_visit(root, mkinitcpio.scripts, look_at_script, &search);
        if (has_tool(&search, root, &dracut))
                look_at_dracut(&search, root);
}
