/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A write to either attribute may wake the device, and waits for that; it is the writer's, as all
 * that can stall. Reading them does not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "power.h"
#include "sysfs.h"

#define PATH_SIZE 96

typedef char PowerPath[PATH_SIZE];

typedef struct Attribute {
        const char *name;
        RunWriteKind kind;
} Attribute;

static const Attribute control = { "power/control", RUN_WRITE_POWER };
static const Attribute d3cold = { "d3cold_allowed", RUN_WRITE_D3COLD };

static const char *device_path(PciAddress address, const char *attribute, PowerPath path) {
        char text[PCI_ADDRESS_SIZE];

        (void)snprintf(path, PATH_SIZE, "sys/bus/pci/devices/%s/%s",
                       pci_address_format(address, text), attribute);
        return path;
}

/* "": there is none; a kernel without runtime power management has none of them. */
static const char *read_value(const Root *root, PciAddress address, const Attribute *attribute,
                              char buffer[static 16]) {
        PowerPath path;

        if (file_read_line_at(root->fd, device_path(address, attribute->name, path), buffer, 16) <
            0)
                buffer[0] = '\0';
        return buffer;
}

static void read_policy(const Root *root, PciAddress address, PowerPolicy *ret) {
        char text[16];

        power_policy_set_control(ret, read_value(root, address, &control, text));
        power_policy_set_d3cold(ret, read_value(root, address, &d3cold, text));
}

/* The link leads to .../0000:00:02.0/0000:01:00.0: the device above is a port, or the root bus. */
static bool find_port(const Root *root, PciAddress address, PciAddress *ret) {
        char text[PCI_ADDRESS_SIZE], port[32];
        PowerPath path;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s",
                       pci_address_format(address, text));
        return file_read_link_parent_at(root->fd, path, port, sizeof(port)) >= 0 &&
               pci_address_parse(port, ret) >= 0;
}

void power_note(const Root *root, const RunState *noted, HomeFunction *home) {
        read_policy(root, home->address, &home->power);
        if (!find_port(root, home->address, &home->port))
                return;
        for (size_t i = 0; i < noted->n_homes; i++)
                if (power_policy_is_known(&noted->homes[i].port_power) &&
                    pci_address_compare(noted->homes[i].port, home->port) == 0) {
                        home->port_power = noted->homes[i].port_power;
                        return;
                }
        read_policy(root, home->port, &home->port_power);
}

bool power_may_sleep(const Root *root, PciAddress address) {
        char text[16];

        return strcmp(read_value(root, address, &control, text), "auto") == 0;
}

int power_wake(Writer *writer, PciAddress address) {
        const RunWrite what = run_write(RUN_WRITE_POWER, address, "on");
        PowerPath path;

        return writer_write(writer, &what, device_path(address, control.name, path), "on\n");
}

int power_may_sleep_at_end(Writer *writer, PciAddress address) {
        PowerPath path;

        return writer_write_at_end(writer, device_path(address, control.name, path), "auto\n");
}

static void put_value(Writer *writer, PciAddress address, const Attribute *attribute,
                      const char *value) {
        const RunWrite what = run_write(attribute->kind, address, value);
        char now[16], text[16], name[PCI_ADDRESS_SIZE];
        PowerPath path;
        int r;

        if (writer->is_stuck || value[0] == '\0' ||
            strcmp(read_value(writer->root, address, attribute, now), value) == 0 || now[0] == '\0')
                return;
        (void)snprintf(text, sizeof(text), "%s\n", value);
        r = writer_write(writer, &what, device_path(address, attribute->name, path), text);
        if (r < 0)
                log_warning_errno(r, "/%s cannot be put back to %s: %m", path, value);
        else
                log_info("%s: put %s back to %s", pci_address_format(address, name),
                         attribute->name, value);
}

/* Not to sleep deeply comes before being allowed to sleep. */
static void put_policy(Writer *writer, PciAddress address, const PowerPolicy *policy) {
        put_value(writer, address, &d3cold, policy->d3cold);
        put_value(writer, address, &control, policy->control);
}

void power_put_back(Writer *writer, const HomeFunction *home) {
        put_policy(writer, home->address, &home->power);
        put_policy(writer, home->port, &home->port_power);
}

/* What did not come home keeps vfio-pci's policy. */
static bool is_home(const Root *root, const HomeFunction *home) {
        char driver[CONFIG_DRIVER_SIZE];

        return sysfs_read_driver(root, home->address, driver) >= 0 && !driver_name_is_vfio(driver);
}

static bool port_is_done(const PciAddress *done, size_t n, PciAddress port) {
        for (size_t i = 0; i < n; i++)
                if (pci_address_compare(done[i], port) == 0)
                        return true;
        return false;
}

void power_put_all_back(Writer *writer, const RunState *before, const Plan *plan) {
        PciAddress done[RUN_STATE_FUNCTIONS_MAX];
        size_t n_done = 0;

        for (size_t i = 0; i < before->n_homes; i++) {
                const HomeFunction *home = &before->homes[i];

                if ((!power_policy_is_known(&home->power) &&
                     !power_policy_is_known(&home->port_power)) ||
                    plan_has_vfio(plan, home->address) || !is_home(writer->root, home))
                        continue;
                put_policy(writer, home->address, &home->power);
                if (port_is_done(done, n_done, home->port))
                        continue;
                put_policy(writer, home->port, &home->port_power);
                done[n_done++] = home->port;
        }
}
