/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan refuses nothing of this: the way back is never refused, and a blacklisted driver is loaded
 * all the same. But a boot that leaves the device to the host has udev load its driver, which a
 * blacklist holds back; and an `install` command is run in place of the module whoever asks.
 */
#include <stdio.h>
#include <string.h>

#include "check-host-driver.h"
#include "host/modprobe-scan.h"
#include "module.h"
#include "sysfs.h"

typedef struct DriverCheck {
        const Situation *now;
        const ConfigDevice *device;
        char id[sizeof("host-driver-") + CONFIG_NAME_SIZE];
        Inspection *ret;
} DriverCheck;

#define check(c, result, ...) inspection_add_check((c)->ret, (result), (c)->id, __VA_ARGS__)

/* Returns whether modprobe.d leaves the function a driver, or nothing is known of it. */
static bool judge_modules(const DriverCheck *c, PciAddress address) {
        char text[PCI_ADDRESS_SIZE], modalias[128];
        ModuleHome home;

        if (sysfs_read_modalias(c->now->root, address, modalias, sizeof(modalias)) < 0 ||
            module_find_home(c->now->root, modalias, &home) < 0 || home.n == 0)
                return true;
        (void)pci_address_format(address, text);
        if (home.is_given_away)
                check(c, CHECK_WARN, "Take that alias out of modprobe.d.",
                      "An alias in modprobe.d names vfio-pci or pci-stub for %s: a switch loads its "
                      "host driver all the same, but a boot in a mode that leaves it to the host "
                      "loads that instead.",
                      text);
        else if (home.n_replaced == home.n)
                check(c, CHECK_WARN, "Take the install line out of modprobe.d.",
                      "No driver of %s can be loaded: modprobe.d has a command in place of %s. "
                      "Where it is not loaded already, nothing brings it back.",
                      text, home.name);
        else if (home.n_usable == 0)
                check(c, CHECK_WARN, "Take that out of modprobe.d.",
                      "Every host driver of %s is blacklisted%s: a switch may bring it back all "
                      "the same, but a boot in a mode that leaves it to the host loads none.",
                      text, home.n_replaced > 0 ? ", or has a command in its place" : "");
        else
                return true;
        return false;
}

static bool has_module(const DriverCheck *c, PciAddress address) {
        const Root *root = c->now->root;
        ModulesFor modules;
        char modalias[128];

        if (sysfs_read_modalias(root, address, modalias, sizeof(modalias)) < 0)
                return false;
        /* libkmod reads the machine that it runs on. */
        if (!root->is_live)
                return modules_for(root, modalias, &modules) >= 0 && modules.n > 0;
        return module_exists_for(root, modalias);
}

/* A driver that is named is loaded by its name, blacklisted or not. */
static void say_named(const DriverCheck *c, const char *address, const char *driver) {
        if (sysfs_has_driver(c->now->root, driver))
                check(c, CHECK_PASS, "", "%s goes back to %s.", address, driver);
        else if (module_exists_for(c->now->root, driver) ||
                 module_is_blacklisted_for(c->now->root, driver))
                check(c, CHECK_PASS, "", "%s goes back to %s, which is loaded for it.", address,
                      driver);
        else
                check(c, CHECK_WARN,
                      "See that host-driver is spelt as the driver is, and its module installed.",
                      "%s goes back to %s, which is not loaded now, and no module of that name is "
                      "known.",
                      address, driver);
}

static void say_driver(const DriverCheck *c, PciAddress address) {
        const HomeFunction *home = run_state_find_home(&c->now->state, address);
        const Function *function = host_find(&c->now->host, address);
        const char *driver = c->device->host_driver;
        char text[PCI_ADDRESS_SIZE];

        (void)pci_address_format(address, text);
        if (driver[0] == '\0' && home && !driver_is_no_home(home->driver))
                driver = home->driver;
        if (driver[0] != '\0')
                say_named(c, text, driver);
        else if (function && !function->on_vfio && function->driver[0] != '\0')
                check(c, CHECK_PASS, "", "%s goes back to %s.", text, function->driver);
        else if (has_module(c, address))
                check(c, CHECK_PASS, "", "%s has a module on this host.", text);
        else
                check(c, CHECK_WARN, "Name it as host-driver of the device.",
                      "No driver is known that %s would go back to.", text);
}

void check_host_driver(const Situation *now, const ConfigDevice *device,
                       const PciAddress *functions, size_t n_functions, Inspection *ret) {
        DriverCheck c = { .now = now, .device = device, .ret = ret };
        bool is_well = true;

        (void)snprintf(c.id, sizeof(c.id), "host-driver-%s", device->name);
        for (size_t i = 0; i < n_functions; i++)
                is_well &= judge_modules(&c, functions[i]);
        if (is_well)
                say_driver(&c, functions[0]);
}
