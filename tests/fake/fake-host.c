/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the tree. Layout as in the kernel: devices lie in sys/devices/pciDDDD:BB/, and
 * sys/bus/pci/devices/ holds links to them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-host.h"
#include "fake-memory.h"
#include "fake-pci.h"

#define NEXT_PIDS 20000   /* that others may use before ours is made */
#define RESERVED_PIDS 300 /* after pid_max the kernel goes on here: RESERVED_PIDS, kernel/pid.c */

#define DEVICES "sys/bus/pci/devices"
#define DRIVERS "sys/bus/pci/drivers"

struct FakeHost {
        char path[PATH_MAX / 2];
        int fd;
        bool is_temporary;
};

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool condition, const char *what, int line) {
        if (condition)
                return;
        (void)fprintf(stderr, "fake-host.c:%d: %s: %s\n", line, what, strerror(errno));
        abort();
}

__attribute__((format(printf, 2, 3))) static const char *print(char text[PATH_MAX],
                                                               const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        CHECK(vsnprintf(text, PATH_MAX, format, arguments) < PATH_MAX);
        va_end(arguments);
        return text;
}

/* --- files --- */

static void make_dirs(const FakeHost *host, const char *path) {
        char dir[PATH_MAX];

        (void)print(dir, "%s", path);
        for (char *slash = strchr(dir, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                CHECK(mkdirat(host->fd, dir, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }
}

void fake_host_write_bytes(FakeHost *host, const char *path, const char *bytes, size_t size) {
        make_dirs(host, path);
        CHECK(fake_file_write(host->fd, path, O_TRUNC, bytes, size) == 0);
}

void fake_host_write(FakeHost *host, const char *path, const char *text) {
        fake_host_write_bytes(host, path, text, strlen(text));
}

/* In @format a '|' parts the path from the content. */
__attribute__((format(printf, 2, 3))) static void write_print(FakeHost *host, const char *format,
                                                              ...) {
        char text[PATH_MAX], *content;
        va_list arguments;

        va_start(arguments, format);
        CHECK(vsnprintf(text, sizeof(text), format, arguments) < PATH_MAX);
        va_end(arguments);
        content = strchr(text, '|');
        CHECK(content);
        *content = '\0';
        fake_host_write(host, text, content + 1);
}

/* In @format a '|' parts the link from its target; parents are made. */
__attribute__((format(printf, 2, 3))) static void link_print(FakeHost *host, const char *format,
                                                             ...) {
        char text[PATH_MAX], *target;
        va_list arguments;

        va_start(arguments, format);
        CHECK(vsnprintf(text, sizeof(text), format, arguments) < PATH_MAX);
        va_end(arguments);
        target = strchr(text, '|');
        CHECK(target);
        *target = '\0';
        make_dirs(host, text);
        CHECK(symlinkat(target + 1, host->fd, text) == 0 || errno == EEXIST);
}

char *fake_host_read(const FakeHost *host, const char *path) {
        struct stat status;
        char *text;

        if (fstatat(host->fd, path, &status, 0) < 0)
                return NULL;
        text = malloc((size_t)status.st_size + 1);
        CHECK(text);
        (void)fake_file_read(host->fd, path, text, (size_t)status.st_size + 1);
        return text;
}

bool fake_host_exists(const FakeHost *host, const char *path) {
        return faccessat(host->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
        return remove(path);
}

void fake_host_remove(FakeHost *host, const char *path) {
        char full[PATH_MAX];

        CHECK(nftw(print(full, "%s/%s", host->path, path), remove_entry, 16,
                   FTW_DEPTH | FTW_PHYS) == 0);
}

/* --- the machine --- */

FakeHost *fake_host_new_at(const char *path) {
        FakeHost *host = calloc(1, sizeof(*host));

        CHECK(host);
        CHECK(snprintf(host->path, sizeof(host->path), "%s", path) < (int)sizeof(host->path));
        host->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(host->fd >= 0);
        fake_host_write(host, FAKE_MARKER, "");
        fake_host_write(host, "sys/bus/pci/drivers_probe", "");
        fake_host_write(host, "sys/class/iommu/dmar0/intel-iommu/version", "1:0\n");
        fake_host_write(host, "sys/module/vfio_iommu_type1/refcnt", "0\n");
        fake_host_write(host, "proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n");
        make_dirs(host, "sys/class/vfio/");
        make_dirs(host, "sys/class/vfio-dev/");
        make_dirs(host, "sys/kernel/iommu_groups/");
        make_dirs(host, DEVICES "/");
        make_dirs(host, "etc/");
        make_dirs(host, "run/");
        fake_host_add_vfio_driver(host, "vfio-pci");
        fake_host_add_driver(host, "pci-stub", "*");
        fake_host_add_driver(host, "pcieport", NULL);
        return host;
}

FakeHost *fake_host_new(void) {
        const char *parent = getenv("TMPDIR");
        bool memory = access("/dev/shm", W_OK) == 0; /* many small files, gone in a moment */
        char path[PATH_MAX];
        FakeHost *host;

        (void)print(path, "%s/fake-host-XXXXXX", parent ? parent : memory ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(path));
        host = fake_host_new_at(path);
        host->is_temporary = true;
        return host;
}

void fake_host_reopen(FakeHost *host) {
        (void)close(host->fd);
        host->fd = open(host->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(host->fd >= 0);
}

void fake_host_freep(FakeHost **host) {
        if (!*host)
                return;
        (void)close((*host)->fd);
        if ((*host)->is_temporary)
                CHECK(nftw((*host)->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0);
        free(*host);
        *host = NULL;
}

const char *fake_host_path(const FakeHost *host) {
        return host->path;
}

/* --- drivers --- */

void fake_host_add_driver(FakeHost *host, const char *driver, const char *ids) {
        static const char *const attributes[] = { "bind", "unbind", "new_id", "remove_id" };
        char path[PATH_MAX], *known;
        bool is_known;

        if (!fake_host_exists(host, print(path, DRIVERS "/%s/bind", driver))) {
                for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
                        write_print(host, DRIVERS "/%s/%s|", driver, attributes[i]);
                write_print(host, "sys/module/%s/refcnt|0\n", driver);
        }
        if (!ids)
                return;
        known = fake_host_read(host, print(path, DRIVERS "/%s/.fake-ids", driver));
        is_known = known && strstr(known, ids);
        free(known);
        if (is_known)
                return;
        CHECK(fake_file_write(host->fd, path, O_APPEND, ids, strlen(ids)) == 0);
        CHECK(fake_file_write(host->fd, path, O_APPEND, "\n", 1) == 0);
}

void fake_host_add_vfio_driver(FakeHost *host, const char *driver) {
        fake_host_add_driver(host, driver, "*");
        write_print(host, DRIVERS "/%s/.fake-vfio|", driver);
}

/* --- functions --- */

/* sys/bus/pci/devices/… leads to it. */
static const char *device_dir(const char *address, char path[PATH_MAX]) {
        return print(path, "sys/devices/pci%.*s/%s", (int)(strrchr(address, ':') - address),
                     address, address);
}

static void add_group(FakeHost *host, const char *address, const char *dir, int group) {
        char path[PATH_MAX];

        link_print(host, "%s/iommu_group|../../../kernel/iommu_groups/%d", dir, group);
        link_print(host, "sys/kernel/iommu_groups/%d/devices/%s|../../../../%s", group, address,
                   dir + strlen("sys/"));
        if (!fake_host_exists(host, print(path, "sys/kernel/iommu_groups/%d/type", group)))
                fake_host_write(host, path, "DMA-FQ\n");
}

static void bind_quietly(FakeHost *host, const char *address, const char *driver) {
        FakeWrite write = { .verb = FAKE_BIND };
        char path[PATH_MAX], *override;

        /* The override decides what matches, so it stands aside for a moment. */
        override = fake_host_read(host, print(path, DEVICES "/%s/driver_override", address));
        CHECK(override);
        write_print(host, DEVICES "/%s/driver_override|%s\n", address, driver);
        (void)snprintf(write.address, sizeof(write.address), "%s", address);
        (void)snprintf(write.driver, sizeof(write.driver), "%s", driver);
        errno = -fake_pci_write(host->fd, &write);
        CHECK(errno == 0);
        fake_host_write(host, path, override);
        free(override);
}

void fake_host_add_function_(FakeHost *host, const char *address, const FakeFunction *function) {
        char dir[PATH_MAX];
        unsigned vendor, device;

        CHECK(sscanf(function->id, "%4x:%4x", &vendor, &device) == 2);
        (void)device_dir(address, dir);
        write_print(host, "%s/vendor|0x%04x\n", dir, vendor);
        write_print(host, "%s/device|0x%04x\n", dir, device);
        write_print(host, "%s/class|0x%06x\n", dir, function->class_code);
        write_print(host, "%s/modalias|pci:v%08Xd%08Xsv00001AF4sd00001100bc%02Xsc%02Xi%02X\n", dir,
                    vendor, device, function->class_code >> 16, function->class_code >> 8 & 0xff,
                    function->class_code & 0xff);
        write_print(host, "%s/driver_override|%s\n", dir,
                    function->driver_override ? function->driver_override : "(null)");
        write_print(host, "%s/power/runtime_status|active\n", dir);
        write_print(host, "%s/power/control|on\n", dir);
        write_print(host, "%s/d3cold_allowed|1\n", dir);
        if (function->class_code >> 8 == 0x0300)
                write_print(host, "%s/boot_vga|%d\n", dir, function->boot_vga);
        if (function->class_code >> 8 == 0x0604)
                make_dirs(host, strcat(dir, "/pci_bus/"));
        (void)device_dir(address, dir);
        link_print(host, DEVICES "/%s|../../../%s", address, dir + strlen("sys/"));
        link_print(host, "%s/subsystem|../../../bus/pci", dir);
        if (function->group > 0)
                add_group(host, address, dir, function->group);
        if (!function->driver)
                return;
        if (!strstr(function->driver, "vfio"))
                fake_host_add_driver(host, function->driver, function->id);
        bind_quietly(host, address, function->driver);
}

void fake_host_add_gpu_(FakeHost *host, const char *address, const FakeGpu *gpu) {
        FakeFunction display = {
                .id = gpu->id ? gpu->id : "10de:2484",
                .class_code = gpu->not_vga ? 0x038000 : 0x030000,
                .driver = gpu->driver,
                .group = gpu->group,
                .boot_vga = gpu->boot_vga,
        };
        FakeFunction audio = {
                .id = "10de:228b",
                .class_code = 0x040300,
                .driver =
                        gpu->driver && !strstr(gpu->driver, "vfio") ? "snd_hda_intel" : gpu->driver,
                .group = gpu->group,
        };
        char second[64];

        fake_host_add_function_(host, address, &display);
        if (!gpu->audio)
                return;
        CHECK(snprintf(second, sizeof(second), "%s", address) < (int)sizeof(second));
        second[strlen(second) - 1] = '1';
        fake_host_add_function_(host, second, &audio);
}

void fake_host_add_framebuffer(FakeHost *host, const char *name, const char *address) {
        char dir[PATH_MAX];
        int length = (int)strcspn(name, ".");

        if (address)
                (void)device_dir(address, dir);
        else
                (void)print(dir, "sys/devices/platform");
        write_print(host, "%s/%s/uevent|", dir, name);
        link_print(host, "sys/bus/platform/devices/%s|../../../%s/%s", name, dir + strlen("sys/"),
                   name);
        write_print(host, "sys/bus/platform/drivers/%.*s/bind|", length, name);
        write_print(host, "sys/bus/platform/drivers/%.*s/unbind|", length, name);
        link_print(host, "%s/%s/driver|../../../bus/platform/drivers/%.*s", dir, name, length,
                   name);
}

void fake_host_add_bridge(FakeHost *host, const char *address, int group) {
        fake_host_add_function(host, address, .id = "8086:3420", .class_code = 0x060400,
                               .driver = "pcieport", .group = group);
}

void fake_host_add_nic(FakeHost *host, const char *address, int group) {
        fake_host_add_function(host, address, .id = "8086:10d3", .class_code = 0x020000,
                               .driver = "e1000e", .group = group);
}

static int read_pid_max(void) {
        FILE *file = fopen("/proc/sys/kernel/pid_max", "re");
        int pid_max = 0;

        CHECK(file && fscanf(file, "%d", &pid_max) == 1);
        (void)fclose(file);
        return pid_max;
}

void fake_host_add_next_processes(FakeHost *host) {
        const int pid_max = read_pid_max();
        char name[64], target[64];

        for (int i = 1, pid = getpid() + 1; i < NEXT_PIDS; i++, pid++) {
                if (pid >= pid_max)
                        pid = RESERVED_PIDS;
                (void)snprintf(name, sizeof(name), "proc/%d", pid);
                (void)snprintf(target, sizeof(target), "/proc/%d", pid);
                CHECK(symlinkat(target, host->fd, name) == 0 || errno == EEXIST);
        }
}

void fake_host_add_memory(FakeHost *host, unsigned mib) {
        static const char *const pools[] = { "hugepages-2048kB", "hugepages-1048576kB" };

        write_print(host, "proc/meminfo|MemTotal: %u kB\nMemFree: 1 kB\nMemAvailable: %u kB\n",
                    mib * 1024, mib * 1024);
        for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
                fake_host_set_pool(host, pools[i], 0, 0);
}

void fake_host_set_pool(FakeHost *host, const char *pool, unsigned pages, unsigned free) {
        write_print(host, FAKE_POOLS "/%s/.fake-pages|%u\n", pool, pages);
        write_print(host, FAKE_POOLS "/%s/nr_hugepages|%u\n", pool, pages);
        write_print(host, FAKE_POOLS "/%s/free_hugepages|%u\n", pool, free);
        write_print(host, FAKE_POOLS "/%s/surplus_hugepages|0\n", pool);
}

unsigned fake_host_pool(const FakeHost *host, const char *pool) {
        char path[PATH_MAX], *text;
        unsigned pages = 0;

        text = fake_host_read(host, print(path, FAKE_POOLS "/%s/nr_hugepages", pool));
        CHECK(text && sscanf(text, "%u", &pages) == 1);
        free(text);
        return pages;
}

void fake_host_set_driver(FakeHost *host, const char *address, const char *driver) {
        FakeWrite write = { .verb = FAKE_UNBIND };
        char *old = fake_host_driver(host, address);

        (void)snprintf(write.address, sizeof(write.address), "%s", address);
        (void)snprintf(write.driver, sizeof(write.driver), "%s", old);
        if (old[0] != '\0')
                CHECK(fake_pci_write(host->fd, &write) == 0);
        if (driver[0] != '\0')
                bind_quietly(host, address, driver);
        free(old);
}

void fake_host_set_override(FakeHost *host, const char *address, const char *value) {
        char path[PATH_MAX], *text;

        CHECK(asprintf(&text, "%s\n", value[0] != '\0' ? value : "(null)") >= 0);
        fake_host_write(host, print(path, DEVICES "/%s/driver_override", address), text);
        free(text);
}

void fake_host_remove_function(FakeHost *host, const char *address) {
        char path[PATH_MAX], *group;
        ssize_t n;

        fake_host_set_driver(host, address, "");
        n = readlinkat(host->fd, print(path, DEVICES "/%s/iommu_group", address), path,
                       sizeof(path) - 1);
        if (n > 0) {
                char member[PATH_MAX];

                path[n] = '\0';
                group = strrchr(path, '/') + 1;
                fake_host_remove(host, print(member, "sys/kernel/iommu_groups/%s/devices/%s", group,
                                             address));
        }
        fake_host_remove(host, device_dir(address, path));
        fake_host_remove(host, print(path, DEVICES "/%s", address));
}

void fake_host_set_group_owned(FakeHost *host, int group, bool owned) {
        char path[PATH_MAX];

        (void)print(path, "sys/kernel/iommu_groups/%d/.fake-owner", group);
        if (owned)
                fake_host_write(host, path, "");
        else
                fake_host_remove(host, path);
}

/* --- what it came to --- */

void fake_host_set_faults(FakeHost *host, const char *faults) {
        fake_host_write(host, FAKE_LOG, "");
        fake_host_write(host, FAKE_FAULTS, faults ? faults : "");
}

char *fake_host_driver(const FakeHost *host, const char *address) {
        char path[PATH_MAX], target[PATH_MAX], *driver;
        ssize_t n;

        n = readlinkat(host->fd, print(path, DEVICES "/%s/driver", address), target,
                       sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        driver = strdup(n > 0 ? strrchr(target, '/') + 1 : "");
        CHECK(driver);
        return driver;
}

static int not_hidden(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

char *fake_host_snapshot(const FakeHost *host) {
        struct dirent **devices = NULL;
        char path[PATH_MAX], *text = NULL;
        size_t size;
        FILE *file;
        int n;

        n = scandirat(host->fd, DEVICES, &devices, not_hidden, alphasort);
        file = open_memstream(&text, &size);
        CHECK(n >= 0 && file);
        for (int i = 0; i < n; i++) {
                const char *address = devices[i]->d_name;
                char *driver = fake_host_driver(host, address);
                char *override =
                        fake_host_read(host, print(path, DEVICES "/%s/driver_override", address));

                (void)fprintf(file, "%s %s %s", address, driver[0] != '\0' ? driver : "-",
                              !override             ? "?\n"
                              : override[0] == '\0' ? "(null)\n" /* opened by one that was killed */
                                                    : override);
                free(override);
                free(driver);
                free(devices[i]);
        }
        free(devices);
        CHECK(fclose(file) == 0);
        return text;
}
