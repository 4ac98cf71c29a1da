/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A script is not understood, only searched for words. Most say by which address they move the
 * card; some only unload its driver and leave the rest to libvirt.
 */
#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "hook-conflicts.h"
#include "hook-facts.h"
#include "scripts.h"

#define HOOKS_DIR "etc/libvirt/hooks"

typedef struct Search {
        const Host *host;
        const PciAddress *functions;
        size_t n_functions;
        const char *kind; /* of the hooks; begins a sentence */
        Conflicts *ret;
} Search;

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

/* --- hooks --- */

/* A hook that asks us is ours, whoever wrote it. */
static void look_at(const Search *search, const char *path, const char *text) {
        static const char advice[] = "Take what moves the device out of that hook.";
        char address[PCI_ADDRESS_SIZE];

        if (strstr(text, "vfio-modectl"))
                return;
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);
                const char *module;

                (void)pci_address_format(search->functions[i], address);
                if (script_names_function(text, search->functions[i])) {
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

static void visit(const char *path, _unused_ bool is_executable, const char *text, void *userdata) {
        look_at(userdata, path, text);
}

/* Guests that are alike have their hooks by links. */
void hook_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                         size_t n_functions, Conflicts *ret) {
        Search search = { host, functions, n_functions, "The libvirt hook", ret };

        scripts_visit(root, HOOKS_DIR, visit, &search);
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
        const Search search = { host, functions, n_functions, "The hookscript of Proxmox VE", ret };

        for (size_t i = 0; i < guests->n; i++) {
                _cleanup_free_ char *text = NULL;
                ProxmoxHookFacts facts;

                if (guests->guests[i].hookscript[0] == '\0' || !is_first_with(guests, i))
                        continue;
                hook_facts_read_proxmox(root, guests->guests[i].hookscript, &facts);
                if (facts.is_there &&
                    file_read_alloc_at(root->fd, facts.path, SCRIPT_SIZE_MAX, &text) >= 0)
                        look_at(&search, facts.path, text);
        }
}
