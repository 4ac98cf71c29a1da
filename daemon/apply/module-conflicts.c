/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ids match every card of a kind and know no mode; a switch moves ours all the same. What they do
 * is said where somebody asks.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "host/modprobe-scan.h"
#include "model/kernel-cmdline.h"
#include "model/setup.h"
#include "module-conflicts.h"
#include "sysfs.h"

#define VFIO_MODULE "vfio_pci"
#define WHERE_SIZE 128

/* Those that take a device by its ids. */
static const struct {
        const char *module, *driver; /**< by the name that people write */
} takers[] = { { VFIO_MODULE, VFIO_DRIVER }, { "pci_stub", "pci-stub" } };

typedef struct Search {
        const Root *root;
        const Host *host;
        const PciAddress *functions;
        size_t n_functions;
        Conflicts *conflicts;
} Search;

static void look_at_ids(const Search *search, const char *driver, const char *ids,
                        const char *where) {
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE], advice[128];

        (void)snprintf(advice, sizeof(advice),
                       "Take ids= of %s out of modprobe.d and the kernel command line.", driver);
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);

                if (!function || !setup_lists_id(ids, function->id))
                        continue;
                conflicts_add(search->conflicts, false, advice,
                              "%s is told to take every %s, so also %s, in whatever mode (%s).",
                              driver, pci_id_format(function->id, id),
                              pci_address_format(function->address, address), where);
                return;
        }
}

/* A driver's name need not be its module's: bochs-drm is in bochs. What is on vfio-pci or unbound
 * now may have any of the modules that there are for it. */
static bool is_in_module(const Search *search, const Function *function, const char *module) {
        char path[128], driver_module[CONFIG_DRIVER_SIZE], modalias[128];
        ModulesFor modules;

        if (!function->on_vfio && function->driver[0] != '\0') {
                (void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/module",
                               function->driver);
                return file_read_link_name_at(search->root->fd, path, driver_module,
                                              sizeof(driver_module)) >= 0 &&
                       modprobe_is_same_module(module, driver_module);
        }
        if (sysfs_read_modalias(search->root, function->address, modalias, sizeof(modalias)) < 0 ||
            modules_for(search->root, modalias, &modules) < 0)
                return false;
        for (size_t i = 0; i < modules.n; i++)
                if (modprobe_is_same_module(module, modules.names[i]))
                        return true;
        return false;
}

static void look_at_softdep(const Search *search, const ModprobeLine *line, const char *where) {
        char address[PCI_ADDRESS_SIZE];

        if (!strstr(line->value, VFIO_DRIVER) && !strstr(line->value, VFIO_MODULE))
                return;
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);

                if (!function || !is_in_module(search, function, line->module))
                        continue;
                conflicts_add(search->conflicts, false, "Take that softdep out of modprobe.d.",
                              "modprobe.d loads vfio-pci before %s, a host driver of %s (%s).",
                              line->module, pci_address_format(function->address, address), where);
                return;
        }
}

static void look_at_options(const Search *search, const ModprobeLine *line, const char *where) {
        char ids[MODPROBE_VALUE_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(takers); i++)
                if (modprobe_is_same_module(line->module, takers[i].module) &&
                    modprobe_option(line->value, "ids", ids, sizeof(ids)))
                        look_at_ids(search, takers[i].driver, ids, where);
}

/* The usual guide's script writes driver_override of all cards but one. */
static void look_at_install(const Search *search, const ModprobeLine *line, const char *where) {
        if (search->n_functions > 0 && modprobe_is_same_module(line->module, VFIO_MODULE) &&
            !modprobe_install_only_loads(line->value))
                conflicts_add(search->conflicts, false, "Take that install line out of modprobe.d.",
                              "modprobe.d has a command in place of vfio-pci (%s): a script there "
                              "may put cards on vfio-pci, in whatever mode, and what does not load "
                              "it keeps every switch from it.",
                              where);
}

/* Of a line that is too long the beginning is looked at. */
static void visit(const char *path, const ModprobeLine *line, _unused_ int error, void *userdata) {
        char where[WHERE_SIZE];

        if (!line)
                return;
        (void)snprintf(where, sizeof(where), "/%s:%u", path, line->line);
        if (line->command == MODPROBE_OPTIONS)
                look_at_options(userdata, line, where);
        else if (line->command == MODPROBE_INSTALL)
                look_at_install(userdata, line, where);
        else if (line->command == MODPROBE_SOFTDEP)
                look_at_softdep(userdata, line, where);
}

static void look_at_cmdline(const Search *search) {
        char cmdline[KERNEL_CMDLINE_MAX], ids[KERNEL_CMDLINE_MAX], name[32];

        if (file_read_line_at(search->root->fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(takers); i++) {
                (void)snprintf(name, sizeof(name), "%s.ids", takers[i].module);
                if (kernel_cmdline_value(cmdline, name, ids, sizeof(ids)) >= 0)
                        look_at_ids(search, takers[i].driver, ids, "the kernel command line");
        }
}

void module_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                           size_t n_functions, Conflicts *conflicts) {
        Search search = { root, host, functions, n_functions, conflicts };
        int r;

        r = modprobe_scan(root, visit, &search);
        if (r < 0)
                log_debug("Not all of modprobe.d is looked at: %s", strerror(-r));
        look_at_cmdline(&search);
}
