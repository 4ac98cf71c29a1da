/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A link in /sys/class leads from there to the device's directory by a relative path. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake-needs.h"

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool condition, const char *what, int line) {
        if (condition)
                return;
        (void)fprintf(stderr, "fake-needs.c:%d: %s: %s\n", line, what, strerror(errno));
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

static const char *name_of(const char *where) {
        const char *slash = strrchr(where, '/');

        CHECK(slash);
        return slash + 1;
}

void fake_host_link(FakeHost *host, const char *path, const char *target) {
        char full[PATH_MAX];

        /* Makes the directories. */
        fake_host_write(host, path, "");
        fake_host_remove(host, path);
        CHECK(symlink(target, print(full, "%s/%s", fake_host_path(host), path)) == 0);
}

static void link_class(FakeHost *host, const char *class, const char *where) {
        char path[PATH_MAX], target[PATH_MAX];

        fake_host_link(host, print(path, "sys/class/%s/%s", class, name_of(where)),
                       print(target, "../../devices/%s", where));
}

static void append(FakeHost *host, const char *path, const char *titles, const char *line) {
        char *old = fake_host_read(host, path), *text;

        CHECK(asprintf(&text, "%s%s\n", old ? old : titles, line) >= 0);
        fake_host_write(host, path, text);
        free(text);
        free(old);
}

/* --- disks --- */

void fake_host_add_disk(FakeHost *host, const char *where, const char *number) {
        char path[PATH_MAX], target[PATH_MAX];

        fake_host_write(host, print(path, "sys/devices/%s/dev", where), number);
        fake_host_write(host, print(path, "sys/devices/%s/uevent", where), "not to be read");
        link_class(host, "block", where);
        fake_host_link(host, print(path, "sys/dev/block/%s", number),
                       print(target, "../../devices/%s", where));
}

void fake_host_add_slave(FakeHost *host, const char *disk, const char *slave) {
        char path[PATH_MAX], target[PATH_MAX];

        fake_host_link(host, print(path, "sys/devices/virtual/block/%s/slaves/%s", disk, slave),
                       print(target, "../../../../../class/block/%s", slave));
}

void fake_host_set_mapper_name(FakeHost *host, const char *disk, const char *name) {
        char path[PATH_MAX], target[PATH_MAX];

        fake_host_write(host, print(path, "sys/devices/virtual/block/%s/dm/name", disk),
                        print(target, "%s\n", name));
        fake_host_link(host, print(path, "dev/mapper/%s", name), print(target, "../%s", disk));
}

void fake_host_add_mount(FakeHost *host, const char *number, const char *point, const char *type,
                         const char *source) {
        char line[PATH_MAX];

        append(host, "proc/1/mountinfo", "",
               print(line, "36 35 %s / %s rw,relatime shared:1 - %s %s rw", number, point, type,
                     source));
}

void fake_host_add_overlay(FakeHost *host, const char *point, const char *options) {
        char line[PATH_MAX];

        append(host, "proc/1/mountinfo", "",
               print(line, "36 35 0:40 / %s rw - overlay overlay rw,%s", point, options));
}

void fake_host_set_zfs_label(FakeHost *host, const char *number, const char *pool) {
        char path[PATH_MAX], text[PATH_MAX];

        fake_host_write(host, print(path, "run/udev/data/b%s", number),
                        print(text,
                              "S:disk/by-label/%s\nE:ID_FS_LABEL=%s\nE:ID_FS_TYPE=zfs_member\n",
                              pool, pool));
}

void fake_host_add_swap(FakeHost *host, const char *path) {
        char line[PATH_MAX];

        append(host, "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
               print(line, "%-40spartition\t1000444\t\t0\t\t-2", path));
}

/* --- interfaces --- */

void fake_host_add_interface(FakeHost *host, const char *where) {
        char path[PATH_MAX];

        fake_host_write(host, print(path, "sys/devices/%s/uevent", where), "not to be read");
        link_class(host, "net", where);
}

void fake_host_add_lower(FakeHost *host, const char *interface, const char *lower) {
        char path[PATH_MAX], target[PATH_MAX];

        fake_host_link(host, print(path, "sys/class/net/%s/lower_%s", interface, lower),
                       print(target, "../../../../class/net/%s", lower));
}

void fake_host_add_default_route(FakeHost *host, const char *interface) {
        char line[PATH_MAX];

        append(host, "proc/net/route",
               "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n",
               print(line, "%s\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0", interface));
}

/* --- input --- */

void fake_host_add_input(FakeHost *host, const char *where, const char *name, bool is_keyboard) {
        char path[PATH_MAX], text[PATH_MAX];

        fake_host_write(host, print(path, "sys/devices/%s/name", where), print(text, "%s\n", name));
        fake_host_write(host, print(path, "sys/devices/%s/capabilities/key", where),
                        is_keyboard ? "1000000000007 ff9f207ac14057ff febeffdfffefffff "
                                      "fffffffffffffffe\n"
                                    : "10000000000000 0\n");
        fake_host_write(host, print(path, "sys/devices/%s/uevent", where), "not to be read");
        link_class(host, "input", where);
}
