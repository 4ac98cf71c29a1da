/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each owner is known by what makes it act: a file that names the device, or a unit that is
 * enabled or runs. A program that is merely installed is no conflict.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "conflicts.h"
#include "hook-conflicts.h"
#include "model/plan-notes.h"

#define PATH_SIZE 512
#define DRIVERCTL_PATH_SIZE 64

#define SYSTEM_UNITS "etc/systemd/system"
#define VENDOR_UNITS "usr/lib/systemd/system"
#define PRIME "etc/prime-discrete"
#define UDEV_RULES "etc/udev/rules.d"
#define RULES_SIZE_MAX (256 * 1024)

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

static void driverctl_path(PciAddress function, char buffer[static DRIVERCTL_PATH_SIZE]) {
        char address[PCI_ADDRESS_SIZE];

        (void)snprintf(buffer, DRIVERCTL_PATH_SIZE, "etc/driverctl.d/pci-%s",
                       pci_address_format(function, address));
}

bool conflicts_driverctl_driver(const Root *root, PciAddress function,
                                char driver[static CONFIG_DRIVER_SIZE]) {
        char path[DRIVERCTL_PATH_SIZE];

        driverctl_path(function, path);
        if (file_read_line_at(root->fd, path, driver, CONFIG_DRIVER_SIZE) >= 0)
                return true;
        driver[0] = '\0';
        return false;
}

/* Its udev rule writes driver_override whenever the function appears, whatever the mode. Its
 * `unset-override` would also unbind the function there and then, from under a guest or a desktop,
 * which may not come back from the kernel; the file is all that is kept. */
static void find_driverctl(const Search *search) {
        for (size_t i = 0; i < search->n_functions; i++) {
                char address[PCI_ADDRESS_SIZE], path[DRIVERCTL_PATH_SIZE],
                        driver[CONFIG_DRIVER_SIZE], advice[128];

                if (!conflicts_driverctl_driver(search->root, search->functions[i], driver))
                        continue;
                (void)pci_address_format(search->functions[i], address);
                driverctl_path(search->functions[i], path);
                (void)snprintf(advice, sizeof(advice), "rm /%s", path);
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

/* How a switcher comes to run, as bits. */
enum {
        ENABLED = 1, /**< by the administrator */
        WANTED = 2,  /**< by its package, which `systemctl disable` does not change */
        RUNS = 4,    /**< started by hand or by the bus */
};

/* Who pulls a unit in has a link to it in its .wants or .requires directory. */
static void find_links(const Root *root, const char *units, unsigned bit,
                       unsigned ret[static ARRAY_SIZE(switchers)]) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, units);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                const char *suffix = strrchr(entry->d_name, '.');

                if (!suffix || (strcmp(suffix, ".wants") != 0 && strcmp(suffix, ".requires") != 0))
                        continue;
                for (size_t i = 0; i < ARRAY_SIZE(switchers); i++) {
                        char path[PATH_SIZE];

                        (void)snprintf(path, sizeof(path), "%s/%s/%s", units, entry->d_name,
                                       switchers[i].unit);
                        if (exists(root, path))
                                ret[i] |= bit;
                }
        }
}

static bool is_masked(const Root *root, const char *unit) {
        char path[PATH_SIZE], target[16] = "";

        (void)snprintf(path, sizeof(path), SYSTEM_UNITS "/%s", unit);
        return readlinkat(root->fd, path, target, sizeof(target) - 1) > 0 &&
               strcmp(target, "/dev/null") == 0;
}

/* A running unit has a cgroup, which is cheaper to ask than systemd, and is there for nobody else.
 */
static bool runs(const Root *root, const char *unit) {
        static const char *const trees[] = { "sys/fs/cgroup", "sys/fs/cgroup/systemd",
                                             "sys/fs/cgroup/unified" };
        char path[PATH_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
                (void)snprintf(path, sizeof(path), "%s/system.slice/%s", trees[i], unit);
                if (exists(root, path))
                        return true;
        }
        return false;
}

static void find_switcher_units(const Root *root, unsigned ret[static ARRAY_SIZE(switchers)]) {
        find_links(root, SYSTEM_UNITS, ENABLED, ret);
        find_links(root, VENDOR_UNITS, WANTED, ret);
        for (size_t i = 0; i < ARRAY_SIZE(switchers); i++) {
                if (is_masked(root, switchers[i].unit))
                        ret[i] = 0;
                if (runs(root, switchers[i].unit))
                        ret[i] |= RUNS;
        }
}

static void find_switchers(const Search *search) {
        unsigned how[ARRAY_SIZE(switchers)] = { 0 };

        if (!find_display(search, 0, 0))
                return;
        find_switcher_units(search->root, how);
        for (size_t i = 0; i < ARRAY_SIZE(switchers); i++) {
                const Switcher *switcher = &switchers[i];
                const Function *display =
                        find_display(search, switcher->vendor, switcher->or_vendor);
                char address[PCI_ADDRESS_SIZE], advice[128];

                if (!display || how[i] == 0)
                        continue;
                (void)snprintf(advice, sizeof(advice), "systemctl %s --now %s",
                               how[i] & WANTED ? "mask" : "disable", switcher->unit);
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

/* --- a person's rules for udev --- */

static bool line_has(const char *line, size_t length, const char *word) {
        return memmem(line, length, word, strlen(word)) != NULL;
}

/* Not where it is only compared with something; what a program is told to write counts. */
static bool line_writes_override(const char *line, size_t length) {
        static const char word[] = "driver_override";
        const char *end = line + length, *found = line;

        while ((found = memmem(found, (size_t)(end - found), word, sizeof(word) - 1))) {
                found += sizeof(word) - 1;
                if (found < end && *found == '}')
                        found++;
                if (end - found < 2 ||
                    (strncmp(found, "==", 2) != 0 && strncmp(found, "!=", 2) != 0))
                        return true;
        }
        return false;
}

/* A backslash at its end takes the next line in. */
static size_t rule_length(const char *text) {
        size_t length = strcspn(text, "\n");

        while (length > 0 && text[length] == '\n' && text[length - 1] == '\\')
                length += 1 + strcspn(text + length + 1, "\n");
        return length;
}

/* By its address, or by both of its ids as sysfs has them. */
static bool line_names(const char *line, size_t length, const Function *function) {
        char address[PCI_ADDRESS_SIZE], vendor[8], device[8];

        (void)snprintf(vendor, sizeof(vendor), "0x%04x", function->id.vendor);
        (void)snprintf(device, sizeof(device), "0x%04x", function->id.device);
        return line_has(line, length, pci_address_format(function->address, address)) ||
               (line_has(line, length, vendor) && line_has(line, length, device));
}

static const Function *find_in_rules(const Search *search, const char *text) {
        while (*text) {
                const char *line = text + strspn(text, " \t");
                size_t length = *line == '#' ? strcspn(line, "\n") : rule_length(line);

                for (size_t i = 0;
                     *line != '#' && line_writes_override(line, length) && i < search->n_functions;
                     i++) {
                        const Function *function = host_find(search->host, search->functions[i]);

                        if (function && line_names(line, length, function))
                                return function;
                }
                text = line + length + (line[length] != '\0');
        }
        return NULL;
}

static void look_at_rules(const Search *search, const char *name) {
        char path[PATH_SIZE], address[PCI_ADDRESS_SIZE];
        _cleanup_free_ char *text = NULL;
        const Function *function;

        (void)snprintf(path, sizeof(path), UDEV_RULES "/%s", name);
        if (file_read_alloc_at(search->root->fd, path, RULES_SIZE_MAX, &text) < 0)
                return;
        function = find_in_rules(search, text);
        if (function)
                conflicts_add(search->ret, false,
                              "Take that rule away, then: udevadm control --reload",
                              "A rule in /%s writes driver_override of %s at every boot.", path,
                              pci_address_format(function->address, address));
}

static void find_udev_rules(const Search *search) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(search->root->fd, UDEV_RULES);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                const char *suffix = strrchr(entry->d_name, '.');

                if (suffix && strcmp(suffix, ".rules") == 0)
                        look_at_rules(search, entry->d_name);
        }
}

/* --- prime-select --- */

/* What `prime-select intel` leaves, which gpu-manager reads at each boot. */
static void find_prime_select(const Search *search) {
        const Function *display = find_display(search, VENDOR_NVIDIA, VENDOR_NVIDIA);
        char word[16], address[PCI_ADDRESS_SIZE];

        if (display && file_read_line_at(search->root->fd, PRIME, word, sizeof(word)) >= 0 &&
            strcmp(word, "off") == 0)
                conflicts_add(search->ret, false, "prime-select on-demand",
                              "prime-select has switched %s off (/" PRIME "): its driver is "
                              "blacklisted, and the card may be without power.",
                              pci_address_format(display->address, address));
}

void conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                    size_t n_functions, Conflicts *ret) {
        const Search search = { root, host, functions, n_functions, ret };

        ret->n_conflicts = 0;
        find_driverctl(&search);
        find_switchers(&search);
        find_envycontrol(&search);
        find_udev_rules(&search);
        find_prime_select(&search);
        hook_conflicts_find(root, host, functions, n_functions, ret);
}

RefusalKind conflicts_judge(const Root *root, const Config *config, const Host *host, Plan *plan,
                            Refusal *refusal) {
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
        for (size_t i = 0; i < conflicts.n_conflicts; i++)
                plan_note(plan, "%s", conflicts.conflicts[i].text);
        return REFUSAL_NONE;
}
