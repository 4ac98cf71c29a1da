/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ids match every card of a kind and know no mode; a switch moves ours all the same. What they do
 * is said where somebody asks.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "model/modprobe-config.h"
#include "model/setup.h"
#include "module-conflicts.h"
#include "module.h"
#include "sysfs.h"

#define VFIO_MODULE "vfio_pci"
#define STUB_MODULE "pci_stub"

typedef struct Search {
        const Root *root;
        const Host *host;
        const PciAddress *functions;
        size_t n_functions;
        Conflicts *conflicts;
} Search;

/* @driver: by the name that people write */
static void look_at_options(const Search *search, const char *driver, const char *value) {
        const char *ids = strstr(value, "ids=");
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE], advice[128];

        (void)snprintf(advice, sizeof(advice),
                       "Take ids= of %s out of modprobe.d and the kernel command line.", driver);
        for (size_t i = 0; ids && i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);

                if (!function || !setup_lists_id(ids + strlen("ids="), function->id))
                        continue;
                conflicts_add(search->conflicts, false, advice,
                              "%s is told to take every %s, so also %s, in whatever mode.", driver,
                              pci_id_format(function->id, id),
                              pci_address_format(function->address, address));
                return;
        }
}

/* A driver's name need not be its module's: bochs-drm is in bochs. What is on vfio-pci or unbound
 * now may have any of the modules that there are for it. */
static bool is_in_module(const Search *search, const Function *function, const char *module) {
        char path[128], driver_module[CONFIG_DRIVER_SIZE], modalias[128];

        if (function->on_vfio || function->driver[0] == '\0')
                return sysfs_read_modalias(search->root, function->address, modalias,
                                           sizeof(modalias)) >= 0 &&
                       module_is_one_for(search->root, modalias, module);
        (void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/module", function->driver);
        return file_read_link_name_at(search->root->fd, path, driver_module,
                                      sizeof(driver_module)) >= 0 &&
               modprobe_is_same_module(module, driver_module);
}

static void look_at_softdep(const Search *search, const char *module, const char *value) {
        char address[PCI_ADDRESS_SIZE];

        if (!strstr(value, "vfio-pci") && !strstr(value, VFIO_MODULE))
                return;
        for (size_t i = 0; i < search->n_functions; i++) {
                const Function *function = host_find(search->host, search->functions[i]);

                if (!function || !is_in_module(search, function, module))
                        continue;
                conflicts_add(search->conflicts, false, "Take that softdep out of modprobe.d.",
                              "modprobe.d loads vfio-pci before %s, a host driver of %s.", module,
                              pci_address_format(function->address, address));
                return;
        }
}

static void visit(ModuleConfig kind, const char *module, const char *value, void *userdata) {
        const Search *search = userdata;

        if (kind == MODULE_CONFIG_OPTIONS && modprobe_is_same_module(module, VFIO_MODULE))
                look_at_options(search, VFIO_DRIVER, value);
        else if (kind == MODULE_CONFIG_OPTIONS && modprobe_is_same_module(module, STUB_MODULE))
                look_at_options(search, "pci-stub", value);
        else if (kind == MODULE_CONFIG_SOFTDEP)
                look_at_softdep(search, module, value);
}

void module_conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                           size_t n_functions, Conflicts *conflicts) {
        Search search = { root, host, functions, n_functions, conflicts };
        int r;

        r = module_config_visit(root, visit, &search);
        if (r < 0)
                log_debug("modprobe.d is not looked at: %s", strerror(-r));
}
