/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: from the interfaces of the default routes down to their ports. Keyboards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "needs-storage.h"
#include "needs-walk.h"
#include "proc-tables.h"
#include "reachability-scan.h"

#define NET_DIR "sys/class/net"
#define TUN_FLAG_TAP 0x0002
#define INPUT_DIR "sys/class/input"

#define TABLE_MAX (64 * 1024 * 1024) /* a router may have all of the Internet's routes */

/* --- network --- */

/* The other end of a tap is a program's, most often a virtual machine's (kernel:
 * Documentation/networking/tuntap.rst; IFF_TAP in include/uapi/linux/if_tun.h). */
static bool is_tap(const NeedsWalk *walk, const char *name) {
        char path[NEEDS_PATH_SIZE], flags[32];

        (void)snprintf(path, sizeof(path), NET_DIR "/%s/tun_flags", name);
        return file_read_line_at(walk->root->fd, path, flags, sizeof(flags)) > 0 &&
               (strtoul(flags, NULL, 16) & TUN_FLAG_TAP);
}

static int expand_interface(NeedsWalk *walk, size_t i) {
        const char *name = walk->nodes[i].name;
        char path[NEEDS_PATH_SIZE], target[PATH_MAX], master[NEEDS_NODE_SIZE];
        int r;

        if (needs_read_target(walk->root, NET_DIR, name, target) < 0)
                return 0;
        r = needs_walk_add_leaf(walk, i, NEED_NETWORK, target);
        if (r != 0)
                return r;
        (void)snprintf(path, sizeof(path), NET_DIR "/%s", name);
        r = needs_walk_add_entries(walk, path, "lower_", i);
        if (r != 0)
                return r;
        if (is_tap(walk, name)) {
                r = needs_walk_add_guest(walk, i);
                if (r < 0)
                        return r;
        }
        /* A port of a switch that has the uplink as another port (Open vSwitch). */
        (void)snprintf(path, sizeof(path), NET_DIR "/%s/master", name);
        if (file_read_link_name_at(walk->root->fd, path, master, sizeof(master)) < 0)
                return 0;
        return needs_walk_add(walk, master, i);
}

typedef bool (*NextRoute)(const char **cursor, char interface[static PROC_INTERFACE_SIZE]);

static int walk_routes(NeedsWalk *walk, const char *path, NextRoute next) {
        _cleanup_free_ char *table = NULL;
        char interface[PROC_INTERFACE_SIZE];
        const char *cursor;
        ssize_t n;
        int r = 0;

        n = file_read_alloc_at(walk->root->fd, path, TABLE_MAX, &table);
        if (n < 0)
                return n == -ENOENT ? 0 : (int)n;
        cursor = table;
        while (r >= 0 && next(&cursor, interface))
                r = needs_walk(walk, interface, expand_interface);
        return r;
}

static int scan_network(NeedsWalk *walk) {
        int r;

        walk->is_essential = false;
        walk->what = "carries the default route";
        r = walk_routes(walk, "proc/net/route", proc_route_next);
        return r < 0 ? r : walk_routes(walk, "proc/net/ipv6_route", proc_ipv6_route_next);
}

/* --- keyboards --- */

static void say_keyboard(const Root *root, const char *input, Need *need) {
        char path[NEEDS_PATH_SIZE], name[128];

        (void)snprintf(path, sizeof(path), INPUT_DIR "/%s/name", input);
        if (file_read_line_at(root->fd, path, name, sizeof(name)) <= 0)
                (void)snprintf(name, sizeof(name), "%s", input);
        need_say(need, "The keyboard '%.60s'", name);
}

/*
 * Virtual ones are programs: a key remapper's, which is nothing without a real one, or Bluetooth's,
 * whose adapter is not known.
 */
static int visit_input(void *userdata, const char *name) {
        const NeedsWalk *walk = userdata;
        char path[NEEDS_PATH_SIZE], target[PATH_MAX], keys[1024];
        Need need = { .kind = NEED_INPUT };
        int r;

        (void)snprintf(path, sizeof(path), INPUT_DIR "/%s/capabilities/key", name);
        if (strncmp(name, "input", strlen("input")) != 0 ||
            needs_read_target(walk->root, INPUT_DIR, name, target) < 0 ||
            strstr(target, "/virtual/") ||
            file_read_line_at(walk->root->fd, path, keys, sizeof(keys)) < 0 ||
            !input_keys_are_keyboard(keys))
                return 0;
        r = need_read_path(walk->root, target, &need);
        if (r < 0)
                return r;
        say_keyboard(walk->root, name, &need);
        return needs_add(walk->needs, &need);
}

/* --- all of it --- */

int reachability_scan(const Root *root, Needs *ret) {
        _cleanup_free_ NeedsWalk *walk = calloc(1, sizeof(*walk));
        int r;

        if (!walk)
                return -ENOMEM;
        ret->n_needs = 0;
        walk->root = root;
        walk->needs = ret;
        r = needs_scan_storage(walk);
        if (r < 0)
                return r;
        walk->n_nodes = 0; /* disks and interfaces may have the same names */
        r = scan_network(walk);
        return r < 0 ? r : needs_for_each_entry(root, INPUT_DIR, visit_input, walk);
}
