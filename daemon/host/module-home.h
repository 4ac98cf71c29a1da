/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe.d(5) leaves of the modules that there are for a device. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/config.h"
#include "root.h"

typedef struct ModuleHome {
        size_t n, n_usable, n_replaced; /**< all that modules.alias has; those that neither a
                                           blacklist holds back nor a command is run in place of
                                           (`install`); the latter */
        char name[CONFIG_DRIVER_SIZE];  /**< of the last one that is replaced; "": none */
        bool is_given_away; /**< an alias in modprobe.d has vfio-pci or pci-stub instead, which the
                               numbers are of */
} ModuleHome;

/**
 * Counts them for a device's modalias by the files below a root: of a machine that was captured.
 * Modules that are built in are not known.
 *
 * Returns 0; -ENOENT where modules.alias is not there; or as modprobe_scan().
 */
_must_check_ int module_home_scan(const Root *root, const char *modalias, ModuleHome *ret);

/** Whether a module is for no device's home: vfio-pci or pci-stub. */
bool module_is_no_home(const char *module);
