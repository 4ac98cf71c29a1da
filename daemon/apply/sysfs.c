/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind and unbind take the whole address; a lone newline clears driver_override, while a write of
 * zero bytes succeeds and does nothing (kernel 6.1, 6.12).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "sysfs.h"

#define PATH_SIZE 192
#define IDS_MAX 32                            /* entries of one id */
#define ROM_ALL_USEC (60 * UINT64_C(1000000)) /* a whole ROM: who wants to switch waits for it */

typedef char SysfsPath[PATH_SIZE];

static const char *device_path(PciAddress address, const char *attribute, SysfsPath path) {
        char text[PCI_ADDRESS_SIZE];

        (void)snprintf(path, PATH_SIZE, "sys/bus/pci/devices/%s/%s",
                       pci_address_format(address, text), attribute);
        return path;
}

static const char *driver_path(const char *driver, const char *attribute, SysfsPath path) {
        (void)snprintf(path, PATH_SIZE, "sys/bus/pci/drivers/%s/%s", driver, attribute);
        return path;
}

int sysfs_read_driver(const Root *root, PciAddress address, char ret[static CONFIG_DRIVER_SIZE]) {
        SysfsPath path;
        ssize_t n;

        n = file_read_link_name_at(root->fd, device_path(address, "driver", path), ret,
                                   CONFIG_DRIVER_SIZE);
        if (n == -ENOENT) {
                ret[0] = '\0';
                return 0;
        }
        return n < 0 ? (int)n : 0;
}

bool sysfs_has_driver(const Root *root, const char *driver) {
        SysfsPath path;

        return faccessat(root->fd, driver_path(driver, "bind", path), F_OK, 0) == 0;
}

int sysfs_read_driver_of(const Root *root, const char *module,
                         char ret[static CONFIG_DRIVER_SIZE]) {
        static const char bus[] = "pci:";
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        SysfsPath path;

        (void)snprintf(path, sizeof(path), "sys/module/%s/drivers", module);
        dir = file_open_dir_at(root->fd, path);
        while (dir && (entry = readdir(dir))) {
                const char *name = entry->d_name + strlen(bus);

                if (strncmp(entry->d_name, bus, strlen(bus)) != 0 || !config_driver_is_valid(name))
                        continue;
                (void)snprintf(ret, CONFIG_DRIVER_SIZE, "%s", name);
                return 0;
        }
        return -ENOENT;
}

int sysfs_set_override(Writer *writer, PciAddress address, const char *driver) {
        const RunWrite what = run_write(RUN_WRITE_OVERRIDE, address, driver);
        char text[CONFIG_DRIVER_SIZE + 1];
        SysfsPath path;

        (void)snprintf(text, sizeof(text), "%s\n", driver);
        return writer_write(writer, &what, device_path(address, "driver_override", path), text);
}

int sysfs_unbind(Writer *writer, PciAddress address, const char *driver) {
        const RunWrite what = run_write(RUN_WRITE_UNBIND, address, driver);
        char text[PCI_ADDRESS_SIZE], bound[CONFIG_DRIVER_SIZE];
        SysfsPath path;
        int r;

        r = writer_write(writer, &what, driver_path(driver, "unbind", path),
                         pci_address_format(address, text));
        /* Somebody else may have been faster, by hand or by unloading the module. */
        if ((r == -ENODEV || r == -ENOENT) &&
            sysfs_read_driver(writer->root, address, bound) >= 0 && bound[0] == '\0')
                return 0;
        return r;
}

static int is_bound_to(const Root *root, PciAddress address, const char *driver) {
        char bound[CONFIG_DRIVER_SIZE];
        int r;

        r = sysfs_read_driver(root, address, bound);
        return r < 0 ? r : strcmp(bound, driver) == 0;
}

int sysfs_bind(Writer *writer, PciAddress address, const char *driver) {
        const RunWrite what = run_write(RUN_WRITE_BIND, address, driver);
        char text[PCI_ADDRESS_SIZE];
        SysfsPath path;
        int r, bound;

        r = writer_write(writer, &what, driver_path(driver, "bind", path),
                         pci_address_format(address, text));
        if (writer->is_stuck)
                return r; /* the link is there before probe() is called */
        bound = is_bound_to(writer->root, address, driver);
        if (bound != 0)
                return bound; /* EBUSY, where loading the module has bound it: the link is the
                                 verdict */
        return r;
}

int sysfs_probe(Writer *writer, PciAddress address) {
        const RunWrite what = run_write(RUN_WRITE_PROBE, address, "");
        char text[PCI_ADDRESS_SIZE], bound[CONFIG_DRIVER_SIZE];
        int r;

        r = writer_write(writer, &what, "sys/bus/pci/drivers_probe",
                         pci_address_format(address, text));
        if (r < 0)
                return r;
        r = sysfs_read_driver(writer->root, address, bound);
        return r < 0 ? r : bound[0] != '\0';
}

int sysfs_remove_id(Writer *writer, PciAddress address, const char *driver, PciId id) {
        const RunWrite what = run_write(RUN_WRITE_REMOVE_ID, address, driver);
        char text[PCI_ID_SIZE];
        SysfsPath path;
        int r, n = 0;

        (void)snprintf(text, sizeof(text), "%04x %04x", id.vendor, id.device);
        /* One write takes one of the entries that match. */
        while ((r = writer_write(writer, &what, driver_path(driver, "remove_id", path), text)) >=
                       0 &&
               n < IDS_MAX)
                n++;
        return n > 0 ? 0 : r;
}

int sysfs_read_modalias(const Root *root, PciAddress address, char *buffer, size_t size) {
        SysfsPath path;
        ssize_t n =
                file_read_line_at(root->fd, device_path(address, "modalias", path), buffer, size);

        return n < 0 ? (int)n : 0;
}

/* --- the expansion ROM --- */

static int write_enable(Writer *writer, PciAddress address, const char *value) {
        const RunWrite what = run_write(RUN_WRITE_ENABLE, address, value);
        SysfsPath path;

        return writer_write(writer, &what, device_path(address, "enable", path), value);
}

bool sysfs_is_disabled(const Root *root, PciAddress address) {
        char driver[CONFIG_DRIVER_SIZE], count[16];
        SysfsPath path;

        return sysfs_read_driver(root, address, driver) >= 0 && driver[0] == '\0' &&
               file_read_line_at(root->fd, device_path(address, "enable", path), count,
                                 sizeof(count)) >= 0 &&
               strcmp(count, "0") == 0;
}

int sysfs_enable(Writer *writer, PciAddress address) {
        return write_enable(writer, address, "1");
}

int sysfs_disable(Writer *writer, PciAddress address) {
        char driver[CONFIG_DRIVER_SIZE];
        int r;

        r = sysfs_read_driver(writer->root, address, driver);
        if (r < 0 || driver[0] != '\0' || sysfs_is_disabled(writer->root, address))
                return r;
        return write_enable(writer, address, "0");
}

/* Just these two bytes: pci_write_rom() may take less, or more, for a yes. */
static int write_rom(Writer *writer, PciAddress address, const char *value) {
        const RunWrite what = run_write(RUN_WRITE_ROM, address, value);
        char text[] = { value[0], '\n', '\0' };
        SysfsPath path;

        return writer_write(writer, &what, device_path(address, "rom", path), text);
}

int sysfs_enable_rom(Writer *writer, PciAddress address) {
        return write_rom(writer, address, "1");
}

int sysfs_disable_rom(Writer *writer, PciAddress address) {
        return write_rom(writer, address, "0");
}

/* The kernel refuses both where there is nothing to disable, or a driver has the function. */
int sysfs_disable_at_end(Writer *writer, PciAddress address) {
        SysfsPath path;

        return writer_write_at_end(writer, device_path(address, "enable", path), "0");
}

int sysfs_disable_rom_at_end(Writer *writer, PciAddress address) {
        SysfsPath path;

        return writer_write_at_end(writer, device_path(address, "rom", path), "0\n");
}

/* Each read(2) gives a page at most, and has the function decode its ROM for that long only. A
 * function that is plugged in meanwhile has its own attribute, which is not enabled. */
ssize_t sysfs_read_rom(Writer *writer, PciAddress address, uint8_t *buffer, size_t size,
                       SysfsStop stop) {
        const RunWrite what = run_write(RUN_WRITE_ROM, address, "");
        const uint64_t end = now_usec() + ROM_ALL_USEC;
        size_t length = 0;
        SysfsPath path;

        (void)device_path(address, "rom", path);
        while (length < size) {
                ssize_t n;

                if (stop())
                        return -EINTR;
                if (now_usec() >= end)
                        return -ETIME;
                n = writer_read(writer, &what, path, buffer + length, size - length, length);
                if (n < 0)
                        return n;
                if (n == 0)
                        break;
                length += (size_t)n;
        }
        return (ssize_t)length;
}
