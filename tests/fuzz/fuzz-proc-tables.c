/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's tables: whatever the text is, every reader comes to its end, stays within its
 * buffer, and finds no more than there are lines.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/mount-info.h"
#include "host/proc-tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_lines(const char *text) {
        size_t n = 1;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static void read_routes(const char *text, size_t lines) {
        char interface[PROC_INTERFACE_SIZE];
        const char *cursor = text;
        size_t n = 0;

        while (proc_route_next(&cursor, interface))
                assert(++n <= lines && interface[0] != '\0');
        assert(*cursor == '\0');
        n = 0;
        cursor = text;
        while (proc_ipv6_route_next(&cursor, interface))
                assert(++n <= lines && interface[0] != '\0');
        assert(*cursor == '\0');
}

static void read_swaps(const char *text, size_t lines) {
        const char *cursor = text;
        char path[16];
        size_t n = 0;

        while (proc_swaps_next(&cursor, path, sizeof(path)))
                assert(++n <= lines && path[0] == '/' && strlen(path) < sizeof(path));
        assert(*cursor == '\0');
}

static void read_iomem(const char *text, size_t lines) {
        const char *cursor = text;
        unsigned depth;
        char name[16];
        size_t n = 0;

        while (proc_iomem_next(&cursor, &depth, name, sizeof(name)))
                assert(++n <= lines && depth <= strlen(text) && strlen(name) < sizeof(name));
        assert(*cursor == '\0');
}

static void read_mounts(const char *text, size_t lines) {
        const char *cursor = text;
        MountInfo mount;
        size_t n = 0;

        while (mount_info_next(&cursor, &mount)) {
                assert(++n <= lines);
                (void)mount_info_has_option(&mount, "ro");
        }
        assert(*cursor == '\0');
        if (mount_info_find(text, "boot/grub", &mount))
                assert(n > 0 && mount.point[0] == '/');
}

static void read_open_file(const char *text) {
        int id = proc_fdinfo_mount(text);
        char type[MOUNT_TYPE_SIZE];

        if (mount_info_type(text, id < 0 ? 21 : id, type))
                assert(strlen(type) < sizeof(type) && (type[0] == '\0' || strstr(text, type)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        size_t lines;

        assert(text);
        if (size > 0)
                (void)memcpy(text, data, size);
        text[size] = '\0';
        lines = count_lines(text);
        read_routes(text, lines);
        read_swaps(text, lines);
        read_iomem(text, lines);
        read_mounts(text, lines);
        read_open_file(text);
        (void)input_keys_are_keyboard(text);
        free(text);
        return 0;
}
