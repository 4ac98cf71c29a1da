/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver core of the fake kernel. Drivers are asked in alphabetical order, which stands for the
 * order of registration.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-pci.h"

#define DEVICES "sys/bus/pci/devices"
#define DRIVERS "sys/bus/pci/drivers"
#define OVERRIDE_MAX 4096

/* One device of the tree, as far as matching needs it. */
typedef struct Device {
        int root_fd;
        const char *address;
        char id[16];                 /* "vvvv:dddd" */
        char override[OVERRIDE_MAX]; /* "": unset */
        char driver[64];             /* "": none */
        int group;                   /* -1: none */
        bool is_bridge;              /* header type 1 */
} Device;

/* --- files --- */

__attribute__((format(printf, 2, 3))) static const char *path_print(char path[PATH_MAX],
                                                                    const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(path, PATH_MAX, format, arguments);
        va_end(arguments);
        return path;
}

int fake_file_write(int root_fd, const char *path, int flags, const char *text, size_t length) {
        long written;
        int fd;

        fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
        if (fd < 0)
                return -errno;
        written = syscall(SYS_write, fd, text, length);
        (void)close(fd);
        return written == (long)length ? 0 : -EIO;
}

size_t fake_file_read(int root_fd, const char *path, char *buffer, size_t size) {
        size_t length = 0;
        ssize_t n;
        int fd;

        fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                while ((n = read(fd, buffer + length, size - 1 - length)) > 0)
                        length += (size_t)n;
                (void)close(fd);
        }
        buffer[length] = '\0';
        return length;
}

static bool exists(int root_fd, const char *path) {
        return faccessat(root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool driver_has(int root_fd, const char *driver, const char *file) {
        char path[PATH_MAX];

        return exists(root_fd, path_print(path, DRIVERS "/%s/%s", driver, file));
}

static bool driver_lists(int root_fd, const char *driver, const char *file, const char *id) {
        char path[PATH_MAX], ids[4096], *cursor = ids, *line;

        (void)fake_file_read(root_fd, path_print(path, DRIVERS "/%s/%s", driver, file), ids,
                             sizeof(ids));
        while ((line = strsep(&cursor, " \n")))
                if (strcmp(line, id) == 0)
                        return true;
        return false;
}

/* --- devices --- */

static void device_read_hex(const Device *device, const char *attribute, char ret[5]) {
        char path[PATH_MAX], text[32];

        (void)fake_file_read(device->root_fd,
                             path_print(path, DEVICES "/%s/%s", device->address, attribute), text,
                             sizeof(text));
        (void)snprintf(ret, 5, "%.4s", strncmp(text, "0x", 2) == 0 ? text + 2 : "0000");
}

static void device_read_link(const Device *device, const char *link, char *ret, size_t size) {
        char path[PATH_MAX], target[PATH_MAX], *slash;
        ssize_t length;

        ret[0] = '\0';
        length = readlinkat(device->root_fd,
                            path_print(path, DEVICES "/%s/%s", device->address, link), target,
                            sizeof(target) - 1);
        if (length < 0)
                return;
        target[length] = '\0';
        slash = strrchr(target, '/');
        (void)snprintf(ret, size, "%.*s", (int)size - 1, slash ? slash + 1 : target);
}

/* The kernel finds a device by its whole name only; a newline behind it is nothing (sysfs_streq).
 */
static int device_find(int root_fd, const char *address, Device *ret) {
        char path[PATH_MAX], vendor[5], id[5], class[5], group[16];

        *ret = (Device){ .root_fd = root_fd, .address = address };
        if (address[0] == '\0' || address[0] == '.' || strchr(address, '/') ||
            !exists(root_fd, path_print(path, DEVICES "/%s", address)))
                return -ENODEV;
        device_read_hex(ret, "vendor", vendor);
        device_read_hex(ret, "device", id);
        device_read_hex(ret, "class", class);
        (void)snprintf(ret->id, sizeof(ret->id), "%s:%s", vendor, id);
        ret->is_bridge = strcmp(class, "0604") == 0;
        device_read_link(ret, "driver", ret->driver, sizeof(ret->driver));
        device_read_link(ret, "iommu_group", group, sizeof(group));
        ret->group = group[0] != '\0' ? atoi(group) : -1;
        (void)fake_file_read(root_fd, path_print(path, DEVICES "/%s/driver_override", address),
                             ret->override, sizeof(ret->override));
        ret->override[strcspn(ret->override, "\n")] = '\0';
        if (strcmp(ret->override, "(null)") == 0)
                ret->override[0] = '\0';
        return 0;
}

static bool group_is_owned(const Device *device) {
        char path[PATH_MAX];

        return device->group >= 0 &&
               exists(device->root_fd,
                      path_print(path, "sys/kernel/iommu_groups/%d/.fake-owner", device->group));
}

/* A link that is there already is as good as a new one; without a tree to write to, nothing works.
 */
static void make_link(const char *target, int root_fd, const char *path) {
        if (symlinkat(target, root_fd, path) < 0 && errno != EEXIST)
                abort();
}

/* --- what a VFIO driver adds: the device's vfio-dev/vfioN, and the group's node --- */

static void set_control(const Device *device, const char *value) {
        char path[PATH_MAX];

        (void)path_print(path, DEVICES "/%s/power/control", device->address);
        if (exists(device->root_fd, path))
                (void)fake_file_write(device->root_fd, path, O_TRUNC, value, strlen(value));
}

static void vfio_register(const Device *device) {
        char path[PATH_MAX], target[PATH_MAX], number[32];
        unsigned n = 0;

        while (exists(device->root_fd, path_print(path, "sys/class/vfio-dev/vfio%u", n)))
                n++;
        make_link(
                path_print(target, "../../bus/pci/devices/%s/vfio-dev/vfio%u", device->address, n),
                device->root_fd, path);
        set_control(device, "auto\n");
        (void)mkdirat(device->root_fd, path_print(path, DEVICES "/%s/vfio-dev", device->address),
                      0700);
        (void)mkdirat(device->root_fd,
                      path_print(path, DEVICES "/%s/vfio-dev/vfio%u", device->address, n), 0700);
        (void)mkdirat(device->root_fd, path_print(path, "sys/class/vfio/%d", device->group), 0700);
        (void)snprintf(number, sizeof(number), "241:%d\n", device->group);
        (void)fake_file_write(device->root_fd,
                              path_print(path, "sys/class/vfio/%d/dev", device->group), 0, number,
                              strlen(number));
}

static bool group_is_on_vfio(const Device *device) {
        char path[PATH_MAX];
        struct dirent *entry;
        bool found = false;
        DIR *dir;
        int fd;

        fd = openat(device->root_fd,
                    path_print(path, "sys/kernel/iommu_groups/%d/devices", device->group),
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        found |= exists(device->root_fd,
                                        path_print(path, DEVICES "/%s/vfio-dev", entry->d_name));
        if (dir)
                (void)closedir(dir);
        return found;
}

static void vfio_unregister(const Device *device) {
        char path[PATH_MAX], target[PATH_MAX];

        set_control(device, "on\n");
        for (unsigned n = 0; n < 1024; n++)
                if (exists(device->root_fd,
                           path_print(path, DEVICES "/%s/vfio-dev/vfio%u", device->address, n))) {
                        (void)unlinkat(device->root_fd, path, AT_REMOVEDIR);
                        (void)unlinkat(device->root_fd,
                                       path_print(target, "sys/class/vfio-dev/vfio%u", n), 0);
                        break;
                }
        (void)unlinkat(device->root_fd, path_print(path, DEVICES "/%s/vfio-dev", device->address),
                       AT_REMOVEDIR);
        if (device->group < 0 || group_is_on_vfio(device))
                return;
        (void)unlinkat(device->root_fd, path_print(path, "sys/class/vfio/%d/dev", device->group),
                       0);
        (void)unlinkat(device->root_fd, path_print(path, "sys/class/vfio/%d", device->group),
                       AT_REMOVEDIR);
}

/* --- drivers --- */

/* pci_match_device(): an override excludes all other drivers, and its own matches with any id. */
static bool driver_matches(const char *driver, const Device *device) {
        if (device->override[0] != '\0')
                return strcmp(device->override, driver) == 0;
        if (driver_lists(device->root_fd, driver, ".fake-dynids", device->id))
                return true;
        return driver_lists(device->root_fd, driver, ".fake-ids", device->id);
}

/* really_probe(): the group's ownership first, then the driver's own probe. */
static int driver_probe(const char *driver, const Device *device) {
        char path[PATH_MAX], target[PATH_MAX];

        if (driver_has(device->root_fd, driver, ".fake-vfio")) {
                if (device->is_bridge || device->group < 0)
                        return -EINVAL;
                vfio_register(device);
        } else if (group_is_owned(device))
                return -EBUSY;
        else if (!driver_lists(device->root_fd, driver, ".fake-ids", device->id) &&
                 !driver_lists(device->root_fd, driver, ".fake-ids", "*") &&
                 !driver_lists(device->root_fd, driver, ".fake-dynids", device->id))
                return -ENODEV;
        make_link(path_print(target, "../../../bus/pci/drivers/%s", driver), device->root_fd,
                  path_print(path, DEVICES "/%s/driver", device->address));
        make_link(path_print(target, "../../devices/%s", device->address), device->root_fd,
                  path_print(path, DRIVERS "/%s/%s", driver, device->address));
        return 0;
}

static int visible(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

/* device_attach(): the first driver that matches and whose probe works. */
static int device_attach(const Device *device) {
        struct dirent **drivers = NULL;
        bool is_bound = false;
        int n, r = 0;

        if (device->driver[0] != '\0')
                return 0;
        n = scandirat(device->root_fd, DRIVERS, &drivers, visible, alphasort);
        for (int i = 0; i < n; i++) {
                if (!is_bound && driver_matches(drivers[i]->d_name, device)) {
                        is_bound = driver_probe(drivers[i]->d_name, device) == 0;
                        if (!is_bound && group_is_owned(device))
                                r = -EINVAL;
                }
                free(drivers[i]);
        }
        free(drivers);
        return r;
}

/* --- the attributes --- */

static int write_override(int root_fd, const FakeWrite *write) {
        char path[PATH_MAX], text[OVERRIDE_MAX + 1];
        size_t length;

        if (write->length >= OVERRIDE_MAX - 1)
                return -EINVAL;
        (void)memcpy(text, write->text, write->length);
        text[write->length] = '\0';
        length = strcspn(text, "\n");
        text[length] = '\0';
        if (length == 0)
                length = (size_t)snprintf(text, sizeof(text), "(null)");
        text[length] = '\n';
        return fake_file_write(root_fd,
                               path_print(path, DEVICES "/%s/driver_override", write->address),
                               O_TRUNC, text, length + 1);
}

static int write_bind(int root_fd, const FakeWrite *write) {
        Device device;

        if (device_find(root_fd, write->address, &device) < 0 ||
            !driver_matches(write->driver, &device))
                return -ENODEV;
        if (device.driver[0] != '\0')
                return -EBUSY;
        return driver_probe(write->driver, &device);
}

static int write_unbind(int root_fd, const FakeWrite *write) {
        char path[PATH_MAX];
        Device device;

        if (device_find(root_fd, write->address, &device) < 0 ||
            strcmp(device.driver, write->driver) != 0)
                return -ENODEV;
        /* vfio-pci waits for the guest to let go, and a guest that is not asked does not. */
        while (driver_has(root_fd, write->driver, ".fake-vfio") && group_is_owned(&device))
                (void)pause();
        (void)unlinkat(root_fd, path_print(path, DEVICES "/%s/driver", write->address), 0);
        (void)unlinkat(root_fd, path_print(path, DRIVERS "/%s/%s", write->driver, write->address),
                       0);
        if (driver_has(root_fd, write->driver, ".fake-vfio"))
                vfio_unregister(&device);
        return 0;
}

static int write_probe(int root_fd, const FakeWrite *write) {
        Device device;

        if (device_find(root_fd, write->address, &device) < 0)
                return -ENODEV;
        return device_attach(&device);
}

/* A driver that learns an id probes every device that is free (pci_add_dynid()). */
static void driver_attach(int root_fd, const char *driver) {
        struct dirent **devices = NULL;
        Device device;
        int n;

        n = scandirat(root_fd, DEVICES, &devices, visible, alphasort);
        for (int i = 0; i < n; i++) {
                if (device_find(root_fd, devices[i]->d_name, &device) == 0 &&
                    device.driver[0] == '\0' && driver_matches(driver, &device))
                        (void)driver_probe(driver, &device);
                free(devices[i]);
        }
        free(devices);
}

static int parse_ids(const FakeWrite *write, char ret[16]) {
        char text[64];
        unsigned vendor, device;

        (void)snprintf(text, sizeof(text), "%.*s", (int)write->length, write->text);
        if (sscanf(text, "%4x %4x", &vendor, &device) != 2)
                return -EINVAL;
        (void)snprintf(ret, 16, "%04x:%04x", vendor & 0xffff, device & 0xffff);
        return 0;
}

static int write_new_id(int root_fd, const FakeWrite *write) {
        char path[PATH_MAX], id[16];

        if (parse_ids(write, id) < 0)
                return -EINVAL;
        if (driver_lists(root_fd, write->driver, ".fake-dynids", id))
                return -EEXIST;
        (void)path_print(path, DRIVERS "/%s/.fake-dynids", write->driver);
        (void)fake_file_write(root_fd, path, O_APPEND, id, strlen(id));
        (void)fake_file_write(root_fd, path, O_APPEND, "\n", 1);
        driver_attach(root_fd, write->driver);
        return 0;
}

static int write_remove_id(int root_fd, const FakeWrite *write) {
        char path[PATH_MAX], ids[4096], id[16], *found;

        if (parse_ids(write, id) < 0)
                return -EINVAL;
        (void)path_print(path, DRIVERS "/%s/.fake-dynids", write->driver);
        (void)fake_file_read(root_fd, path, ids, sizeof(ids));
        found = strstr(ids, id);
        if (!found)
                return -ENODEV;
        (void)memmove(found, found + strlen(id) + 1, strlen(found + strlen(id) + 1) + 1);
        return fake_file_write(root_fd, path, O_TRUNC, ids, strlen(ids));
}

/* --- power --- */

static int write_value(int root_fd, const FakeWrite *write, const char *attribute,
                       const char *const values[2]) {
        char path[PATH_MAX];

        for (unsigned i = 0; i < 2; i++) {
                size_t length = strlen(values[i]) - 1; /* with or without the newline */

                if ((write->length == length || write->length == length + 1) &&
                    strncmp(write->text, values[i], write->length) == 0)
                        return fake_file_write(
                                root_fd,
                                path_print(path, DEVICES "/%s/%s", write->address, attribute),
                                O_TRUNC, values[i], length + 1);
        }
        return -EINVAL;
}

static int write_power(int root_fd, const FakeWrite *write) {
        return write_value(root_fd, write, "power/control",
                           (const char *const[]){ "on\n", "auto\n" });
}

static int write_d3cold(int root_fd, const FakeWrite *write) {
        return write_value(root_fd, write, "d3cold_allowed", (const char *const[]){ "0\n", "1\n" });
}

/* --- platform devices --- */

#define PLATFORM "sys/bus/platform"

/* A driver takes what is named as it is, up to the number. */
static int find_platform(int root_fd, const FakeWrite *write, char link[PATH_MAX]) {
        char path[PATH_MAX];
        size_t length = strlen(write->driver);

        if (!exists(root_fd, path_print(path, PLATFORM "/devices/%s", write->address)) ||
            strncmp(write->address, write->driver, length) != 0 || write->address[length] != '.')
                return -ENODEV;
        return exists(root_fd, path_print(link, PLATFORM "/devices/%s/driver", write->address));
}

static int write_platform_bind(int root_fd, const FakeWrite *write) {
        char link[PATH_MAX], target[PATH_MAX];
        int r = find_platform(root_fd, write, link);

        if (r != 0)
                return r < 0 ? r : -EBUSY;
        make_link(path_print(target, "../../bus/platform/drivers/%s", write->driver), root_fd,
                  link);
        return 0;
}

static int write_platform_unbind(int root_fd, const FakeWrite *write) {
        char link[PATH_MAX];
        int r = find_platform(root_fd, write, link);

        if (r <= 0)
                return -ENODEV;
        return unlinkat(root_fd, link, 0) < 0 ? -errno : 0;
}

int fake_pci_write(int root_fd, const FakeWrite *write) {
        static int (*const verbs[])(int root_fd, const FakeWrite *write) = {
                [FAKE_OVERRIDE] = write_override,
                [FAKE_BIND] = write_bind,
                [FAKE_UNBIND] = write_unbind,
                [FAKE_PROBE] = write_probe,
                [FAKE_NEW_ID] = write_new_id,
                [FAKE_REMOVE_ID] = write_remove_id,
                [FAKE_POWER] = write_power,
                [FAKE_D3COLD] = write_d3cold,
                [FAKE_PLATFORM_BIND] = write_platform_bind,
                [FAKE_PLATFORM_UNBIND] = write_platform_unbind,
        };

        return verbs[write->verb](root_fd, write);
}
