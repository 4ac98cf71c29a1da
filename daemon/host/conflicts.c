/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each owner is known by what makes it act: a file that names the device, or a unit that is
 * enabled. A program that is merely installed is no conflict.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "conflicts.h"

#define PATH_SIZE 512
#define HOOK_SIZE_MAX (256 * 1024)
#define HOOKS_MAX 32

#define SYSTEM_UNITS "etc/systemd/system"
#define LIBVIRT_HOOK "etc/libvirt/hooks/qemu"

#define VENDOR_AMD 0x1002
#define VENDOR_NVIDIA 0x10de

typedef struct Search {
        const Root *root;
        const Host *host;
        const PciAddress *functions;
        size_t n_functions;
        Conflicts *ret;
} Search;

void conflicts_add(Conflicts *conflicts, bool breaks, const char *advice, const char *format, ...) {
        Conflict *new;
        va_list arguments;

        if (conflicts->n_conflicts == CONFLICTS_MAX)
                return;
        new = &conflicts->conflicts[conflicts->n_conflicts++];
        *new = (Conflict){ .breaks = breaks };
        (void)snprintf(new->advice, sizeof(new->advice), "%s", advice);
        va_start(arguments, format);
        (void)vsnprintf(new->text, sizeof(new->text), format, arguments);
        va_end(arguments);
}

static bool exists(const Root *root, const char *path) {
        return faccessat(root->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A graphics card of one of these vendors, 0: of any, that the mode takes. */
static const Function *find_display(const Search *search, uint16_t vendor, uint16_t or_vendor) {
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);

                if (function && function_is_display(function) &&
                    (vendor == 0 || function->id.vendor == vendor ||
                     function->id.vendor == or_vendor))
                        return function;
        }
        return NULL;
}

/* --- driverctl --- */

/* Its udev rule writes driver_override whenever the function appears, whatever the mode. */
static void find_driverctl(const Search *search) {
        for (size_t i = 0; i < search->n_functions; i++) {
                char address[PCI_ADDRESS_SIZE], path[PATH_SIZE], driver[CONFIG_DRIVER_SIZE],
                        advice[128];

                (void)pci_address_format(search->functions[i], address);
                (void)snprintf(path, sizeof(path), "etc/driverctl.d/pci-%s", address);
                if (file_read_line_at(search->root->fd, path, driver, sizeof(driver)) < 0)
                        continue;
                (void)snprintf(advice, sizeof(advice), "driverctl unset-override %s", address);
                conflicts_add(search->ret, true, advice,
                              "driverctl gives %s to %s at every boot (/%s).", address, driver,
                              path);
        }
}

/* --- units --- */

typedef struct Switcher {
        const char *unit;
        uint16_t vendor, or_vendor; /**< of the cards that it touches; 0: any */
        bool breaks;
        const char *does; /**< a sentence's end */
} Switcher;

static const Switcher switchers[] = {
        { "supergfxd.service", VENDOR_NVIDIA, VENDOR_AMD, true,
          "puts it into its own mode at boot, which may remove it from the machine" },
        { "gpu-manager.service", VENDOR_NVIDIA, VENDOR_AMD, false,
          "rewrites the configuration of its drivers at boot" },
        { "optimus-manager.service", VENDOR_NVIDIA, VENDOR_NVIDIA, true,
          "loads and unloads its driver before the display manager" },
        { "com.system76.PowerDaemon.service", 0, 0, false,
          "may switch it off, and writes modprobe.d for it" },
};

/* `systemctl enable` leaves a link in the .wants or .requires directory of whatever pulls it in. */
static void find_enabled(const Root *root, bool ret[static ARRAY_SIZE(switchers)]) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, SYSTEM_UNITS);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                const char *suffix = strrchr(entry->d_name, '.');

                if (!suffix || (strcmp(suffix, ".wants") != 0 && strcmp(suffix, ".requires") != 0))
                        continue;
                for (size_t i = 0; i < ARRAY_SIZE(switchers); i++) {
                        char path[PATH_SIZE];

                        (void)snprintf(path, sizeof(path), SYSTEM_UNITS "/%s/%s", entry->d_name,
                                       switchers[i].unit);
                        ret[i] |= exists(root, path);
                }
        }
}

static void find_switchers(const Search *search) {
        bool enabled[ARRAY_SIZE(switchers)] = { false };

        if (!find_display(search, 0, 0))
                return;
        find_enabled(search->root, enabled);
        for (size_t i = 0; i < ARRAY_SIZE(switchers); i++) {
                const Switcher *switcher = &switchers[i];
                const Function *display =
                        find_display(search, switcher->vendor, switcher->or_vendor);
                char address[PCI_ADDRESS_SIZE], advice[128];

                if (!display || !enabled[i])
                        continue;
                (void)snprintf(advice, sizeof(advice), "systemctl disable --now %s",
                               switcher->unit);
                conflicts_add(search->ret, switcher->breaks, advice, "%s is another's, too: %s %s.",
                              pci_address_format(display->address, address), switcher->unit,
                              switcher->does);
        }
}

/* --- envycontrol --- */

static void find_envycontrol(const Search *search) {
        static const char *const rules[] = { "etc/udev/rules.d/50-remove-nvidia.rules",
                                             "usr/lib/udev/rules.d/50-remove-nvidia.rules" };
        const Function *display = find_display(search, VENDOR_NVIDIA, VENDOR_NVIDIA);
        char address[PCI_ADDRESS_SIZE];

        for (size_t i = 0; display && i < ARRAY_SIZE(rules); i++)
                if (exists(search->root, rules[i]))
                        conflicts_add(search->ret, true, "envycontrol --reset",
                                      "envycontrol removes %s from the machine as soon as it "
                                      "appears (/%s).",
                                      pci_address_format(display->address, address), rules[i]);
}

/* --- libvirt hooks made by hand --- */

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

/* A hook that asks us is ours, whoever wrote it. */
static void look_at_hook(const Search *search, const char *path) {
        _cleanup_free_ char *text = NULL;
        char address[PCI_ADDRESS_SIZE];

        if (file_read_alloc_at(search->root->fd, path, HOOK_SIZE_MAX, &text) < 0 ||
            strstr(text, "vfio-modectl"))
                return;
        for (size_t i = 0; i < search->n_functions; i++) {
                if (!names_function(text, search->functions[i]))
                        continue;
                conflicts_add(search->ret, false, "Take what moves the device out of that hook.",
                              "The libvirt hook /%s names %s and may move it.", path,
                              pci_address_format(search->functions[i], address));
                return;
        }
}

static void find_libvirt_hooks(const Search *search) {
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        size_t n = 0;

        look_at_hook(search, LIBVIRT_HOOK);
        dir = file_open_dir_at(search->root->fd, LIBVIRT_HOOK ".d");
        while (dir && n++ < HOOKS_MAX && (entry = readdir(dir))) {
                char path[PATH_SIZE];

                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), LIBVIRT_HOOK ".d/%s", entry->d_name);
                look_at_hook(search, path);
        }
}

void conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                    size_t n_functions, Conflicts *ret) {
        const Search search = { root, host, functions, n_functions, ret };

        ret->n_conflicts = 0;
        find_driverctl(&search);
        find_switchers(&search);
        find_envycontrol(&search);
        find_libvirt_hooks(&search);
}

RefusalKind conflicts_judge(const Root *root, const Config *config, const Host *host,
                            const Plan *plan, Refusal *refusal) {
        Conflicts conflicts = { .n_conflicts = 0 };

        /* What is as wanted already is no time to quarrel, and must stay cheap. */
        if (strcmp(plan->mode, config->fallback_mode) == 0 || plan->n_steps == 0)
                return REFUSAL_NONE;
        conflicts_find(root, host, plan->vfio, plan->n_vfio, &conflicts);
        for (size_t i = 0; i < conflicts.n_conflicts; i++)
                if (conflicts.conflicts[i].breaks)
                        return refusal_set(refusal, REFUSAL_CONFLICTING_OWNER,
                                           "%s One of the two has to go: %s",
                                           conflicts.conflicts[i].text,
                                           conflicts.conflicts[i].advice);
        return REFUSAL_NONE;
}
