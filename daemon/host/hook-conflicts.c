/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A script is not understood, only searched for words. Most say by which address they move the
 * card; some only unload its driver and leave the rest to libvirt.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "hook-conflicts.h"
#include "hook-facts.h"

#define HOOKS_DIR "etc/libvirt/hooks"
#define HOOK_SIZE_MAX (256 * 1024)
#define FILES_MAX 256 /* that are read */
#define DIRS_MAX 32   /* that wait to be looked into */
#define DIRS_SEEN_MAX 128

typedef char HookPath[384];

typedef struct Search {
        const Root *root;
        const Host *host;
        const PciAddress *functions;
        size_t n_functions;
        const char *kind; /* of the hooks; begins a sentence */
        Conflicts *ret;
        HookPath waiting[DIRS_MAX];
        size_t n_waiting, n_files;
        struct {
                dev_t device;
                ino_t number;
        } seen[DIRS_SEEN_MAX];
        size_t n_seen;
} Search;

/* As the kernel writes an address, and as libvirt names its node device. */
static bool names_function(const char *text, PciAddress address) {
        char plain[PCI_ADDRESS_SIZE], node[PCI_ADDRESS_SIZE];

        (void)pci_address_format(address, plain);
        (void)memcpy(node, plain, sizeof(node));
        for (char *c = node; *c; c++)
                if (*c == ':' || *c == '.')
                        *c = '_';
        return strstr(text, plain) || strstr(text, node);
}

/* --- drivers --- */

/* Whether a word begins with the name; nvidia also stands for nvidia_drm and nvidia-uvm. */
static bool begins_with_module(const char *word, const char *module) {
        for (; *module; word++, module++)
                if (*word != *module && !(*module == '_' && *word == '-'))
                        return false;
        return !isalnum((unsigned char)*word);
}

/* Whether a line has both, the command first: "modprobe -r nvidia_drm", "rmmod amdgpu". */
static bool line_moves_module(const char *line, size_t length, const char *module) {
        bool is_command = false;

        for (size_t i = 0; i < length && line[i] != '#'; i++) {
                if (i > 0 && (isalnum((unsigned char)line[i - 1]) || strchr("_-", line[i - 1])))
                        continue;
                is_command |= begins_with_module(line + i, "modprobe") ||
                              begins_with_module(line + i, "rmmod");
                if (is_command && begins_with_module(line + i, module))
                        return true;
        }
        return false;
}

static bool moves_module(const char *text, const char *module) {
        while (*text) {
                size_t length = strcspn(text, "\n");

                if (line_moves_module(text, length, module))
                        return true;
                text += length + (text[length] != '\0');
        }
        return false;
}

/* The host's driver of a function that has none of the host's just now is told by its vendor. */
static const char *find_moved_module(const char *text, const Function *function) {
        const char *module;

        if (function->driver[0] != '\0' && !function->on_vfio)
                return moves_module(text, function->driver) ? function->driver : NULL;
        for (size_t i = 0; (module = function_display_module(function, i)); i++)
                if (moves_module(text, module))
                        return module;
        return NULL;
}

/* --- files --- */

/* A hook that asks us is ours, whoever wrote it. */
static void look_at_file(const Search *search, const char *path) {
        static const char advice[] = "Take what moves the device out of that hook.";
        _cleanup_free_ char *text = NULL;
        char address[PCI_ADDRESS_SIZE];

        if (file_read_alloc_at(search->root->fd, path, HOOK_SIZE_MAX, &text) < 0 ||
            strstr(text, "vfio-modectl"))
                return;
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);
                const char *module;

                (void)pci_address_format(search->functions[i], address);
                if (names_function(text, search->functions[i])) {
                        conflicts_add(search->ret, false, advice,
                                      "%s /%s names %s and may move it.", search->kind, path,
                                      address);
                        return;
                }
                module = function ? find_moved_module(text, function) : NULL;
                if (module) {
                        conflicts_add(search->ret, false, advice,
                                      "%s /%s loads or unloads %s, a driver of %s.", search->kind,
                                      path, module, address);
                        return;
                }
        }
}

/* A link may lead to where we have been. */
static bool is_new(Search *search, int fd) {
        struct stat found;

        if (fstat(fd, &found) < 0)
                return false;
        for (size_t i = 0; i < search->n_seen; i++)
                if (search->seen[i].device == found.st_dev &&
                    search->seen[i].number == found.st_ino)
                        return false;
        search->seen[search->n_seen].device = found.st_dev;
        search->seen[search->n_seen++].number = found.st_ino;
        return true;
}

/* Guests that are alike have their hooks by links. */
static void look_into(Search *search, const char *directory) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(search->root->fd, directory);
        const struct dirent *entry;
        struct stat found;

        if (!dir || !is_new(search, dirfd(dir)))
                return;
        while (search->n_files < FILES_MAX && (entry = readdir(dir))) {
                HookPath path;
                int n;

                n = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
                if (entry->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof(path) ||
                    fstatat(search->root->fd, path, &found, 0) < 0)
                        continue;
                if (S_ISREG(found.st_mode)) {
                        search->n_files++;
                        look_at_file(search, path);
                } else if (S_ISDIR(found.st_mode) && search->n_waiting < DIRS_MAX) {
                        (void)memcpy(search->waiting[search->n_waiting++], path, sizeof(path));
                }
        }
}

void hook_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                         size_t n_functions, Conflicts *ret) {
        _cleanup_free_ Search *search = calloc(1, sizeof(*search));

        if (!search)
                return;
        *search = (Search){ .root = root,
                            .host = host,
                            .functions = functions,
                            .n_functions = n_functions,
                            .kind = "The libvirt hook",
                            .ret = ret,
                            .n_waiting = 1 };
        (void)snprintf(search->waiting[0], sizeof(HookPath), HOOKS_DIR);
        for (unsigned seen = 0; search->n_waiting > 0 && seen < DIRS_SEEN_MAX; seen++) {
                HookPath directory;

                (void)memcpy(directory, search->waiting[--search->n_waiting], sizeof(directory));
                look_into(search, directory);
        }
}

/* --- Proxmox VE --- */

/* Guests often share one. */
static bool is_first_with(const GuestDefinitions *guests, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(guests->guests[i].hookscript, guests->guests[n].hookscript) == 0)
                        return false;
        return true;
}

void hook_conflicts_find_proxmox(const Root *root, const Host *host, const PciAddress *functions,
                                 size_t n_functions, const GuestDefinitions *guests,
                                 Conflicts *ret) {
        _cleanup_free_ Search *search = calloc(1, sizeof(*search));

        if (!search)
                return;
        *search = (Search){ .root = root,
                            .host = host,
                            .functions = functions,
                            .n_functions = n_functions,
                            .kind = "The hookscript of Proxmox VE",
                            .ret = ret };
        for (size_t i = 0; i < guests->n; i++) {
                ProxmoxHookFacts facts;

                if (guests->guests[i].hookscript[0] == '\0' || !is_first_with(guests, i))
                        continue;
                hook_facts_read_proxmox(root, guests->guests[i].hookscript, &facts);
                if (facts.is_there)
                        look_at_file(search, facts.path);
        }
}
