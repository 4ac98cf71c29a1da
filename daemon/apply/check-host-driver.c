/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan refuses nothing of this: the way back is never refused, and a blacklisted driver is loaded
 * all the same. But a boot that leaves the device to the host has udev load its driver, which a
 * blacklist holds back; and an `install` command is run in place of the module whoever asks.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "check-host-driver.h"
#include "host/modprobe-scan.h"
#include "model/kernel-cmdline.h"
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
                check(c, CHECK_WARN, "Take that out of modprobe.d and the kernel command line.",
                      "Every host driver of %s is blacklisted%s: a switch may bring it back all "
                      "the same, but a boot in a mode that leaves it to the host loads none.",
                      text, home.n_replaced > 0 ? ", or has a command in its place" : "");
        else
                return true;
        return false;
}

static bool has_module(const DriverCheck *c, PciAddress address) {
        char modalias[128];
        ModuleHome home;

        return sysfs_read_modalias(c->now->root, address, modalias, sizeof(modalias)) >= 0 &&
               module_find_home(c->now->root, modalias, &home) >= 0 && home.n_usable > 0;
}

/* Of a machine that was captured no module is known by its name alone. */
static bool is_known(const DriverCheck *c, PciAddress address, const char *driver) {
        const Root *root = c->now->root;
        char modalias[128];
        ModulesFor modules;

        if (module_exists_for(root, driver) || module_is_blacklisted_for(root, driver))
                return true;
        if (sysfs_read_modalias(root, address, modalias, sizeof(modalias)) < 0 ||
            modules_for(root, modalias, &modules) < 0)
                return false;
        for (size_t i = 0; i < modules.n; i++)
                if (modprobe_is_same_module(modules.names[i], driver))
                        return true;
        return false;
}

/* --- modeset=0 --- */

/* Drivers that a function could go back to, and which of them are told to take no card. */
typedef struct Told {
        ModulesFor modules;
        bool to_take_none[MODULES_FOR_MAX];
} Told;

static void hear_line(const ModprobeLine *line, Told *told) {
        for (size_t i = 0; i < told->modules.n; i++)
                if (modprobe_is_same_module(line->module, told->modules.names[i]))
                        told->to_take_none[i] |= modprobe_turns_off(line);
}

static void hear(_unused_ const char *path, const ModprobeLine *line, _unused_ int error,
                 void *userdata) {
        if (line && !line->is_cut)
                hear_line(line, userdata);
}

static void hear_cmdline(const Root *root, Told *told) {
        char cmdline[KERNEL_CMDLINE_MAX], name[CONFIG_DRIVER_SIZE + sizeof(".modeset")], value[16];

        if (file_read_line_at(root->fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
                return;
        for (size_t i = 0; i < told->modules.n; i++) {
                ModprobeLine line = { .command = MODPROBE_OPTIONS };

                (void)snprintf(name, sizeof(name), "%s.modeset", told->modules.names[i]);
                if (kernel_cmdline_value(cmdline, name, value, sizeof(value)) < 0)
                        continue;
                (void)snprintf(line.module, sizeof(line.module), "%s", told->modules.names[i]);
                (void)snprintf(line.value, sizeof(line.value), "modeset=%s", value);
                hear_line(&line, told);
        }
}

/* Such as nvidiafb, which distributions keep away. */
static bool is_console_driver(const char *module) {
        size_t n = strlen(module);

        return n > 2 && strcmp(module + n - 2, "fb") == 0;
}

/* @driver: the one that it goes back to; "": any of those that there are for it
 *
 * Returns whether one is left that takes it, or nothing is known. */
static bool judge_modeset(const DriverCheck *c, PciAddress address, const char *driver) {
        const Root *root = c->now->root;
        Told told = { .modules = { .n = 0 } };
        char modalias[128], text[PCI_ADDRESS_SIZE];
        const char *off = NULL;

        if (driver[0] != '\0')
                (void)snprintf(told.modules.names[told.modules.n++], CONFIG_DRIVER_SIZE, "%s",
                               driver);
        else if (sysfs_read_modalias(root, address, modalias, sizeof(modalias)) < 0 ||
                 modules_for(root, modalias, &told.modules) < 0)
                return true;
        if (modprobe_scan(root, hear, &told) < 0)
                return true;
        hear_cmdline(root, &told);
        for (size_t i = 0; i < told.modules.n; i++)
                if (told.to_take_none[i])
                        off = told.modules.names[i];
                else if (!is_console_driver(told.modules.names[i]))
                        return true;
        if (off)
                check(c, CHECK_WARN,
                      "Take that option out of modprobe.d and the kernel command line.",
                      "%s goes back to %s, which modeset=0 keeps from every card, loaded or not.",
                      pci_address_format(address, text), off);
        return !off;
}

/* --- the driver --- */

/* A driver that is named is loaded by its name, blacklisted or not. */
static void say_named(const DriverCheck *c, PciAddress function, const char *driver) {
        char address[PCI_ADDRESS_SIZE];

        (void)pci_address_format(function, address);
        if (sysfs_has_driver(c->now->root, driver))
                check(c, CHECK_PASS, "", "%s goes back to %s.", address, driver);
        else if (is_known(c, function, driver))
                check(c, CHECK_PASS, "", "%s goes back to %s, which is loaded for it.", address,
                      driver);
        else
                check(c, CHECK_WARN,
                      "See that host-driver is spelt as the driver is, and its module installed.",
                      "%s goes back to %s, which is not loaded now, and no module of that name is "
                      "known.",
                      address, driver);
}

/* That it goes back to, as far as it is told by more than the modules there are; "": nothing says.
 */
static const char *find_driver(const DriverCheck *c, PciAddress address) {
        const HomeFunction *home = run_state_find_home(&c->now->state, address);

        if (c->device->host_driver[0] != '\0')
                return c->device->host_driver;
        return home && !driver_is_no_home(home->driver) ? home->driver : "";
}

/* "": on none of the host's. */
static const char *find_bound(const DriverCheck *c, PciAddress address) {
        const Function *function = host_find(&c->now->host, address);

        return function && !function->on_vfio ? function->driver : "";
}

static void say_driver(const DriverCheck *c, PciAddress address, const char *driver,
                       const char *bound) {
        char text[PCI_ADDRESS_SIZE];

        (void)pci_address_format(address, text);
        if (driver[0] != '\0')
                say_named(c, address, driver);
        else if (bound[0] != '\0')
                check(c, CHECK_PASS, "", "%s goes back to %s.", text, bound);
        else if (has_module(c, address))
                check(c, CHECK_PASS, "", "%s has a module on this host.", text);
        else
                check(c, CHECK_WARN, "Name it as host-driver of the device.",
                      "No driver is known that %s would go back to.", text);
}

void check_host_driver(const Situation *now, const ConfigDevice *device,
                       const PciAddress *functions, size_t n_functions, Inspection *ret) {
        DriverCheck c = { .now = now, .device = device, .ret = ret };
        const char *driver = find_driver(&c, functions[0]), *bound = find_bound(&c, functions[0]);
        bool is_well = true;

        (void)snprintf(c.id, sizeof(c.id), "host-driver-%s", device->name);
        for (size_t i = 0; i < n_functions; i++)
                is_well &= judge_modules(&c, functions[i]);
        is_well &= judge_modeset(&c, functions[0], driver[0] != '\0' ? driver : bound);
        if (is_well)
                say_driver(&c, functions[0], driver, bound);
}
