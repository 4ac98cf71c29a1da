/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "needs-walk.h"

#define LABEL_SIZE 40 /* of a name in a sentence */

/* --- small things --- */

int needs_read_target(const Root *root, const char *directory, const char *name,
                      char target[static PATH_MAX]) {
        char path[NEEDS_PATH_SIZE];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        n = readlinkat(root->fd, path, target, PATH_MAX - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        return 0;
}

int needs_for_each_entry(const Root *root, const char *path, NeedsVisit visit, void *userdata) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, path);
        int r = 0;

        if (!dir)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        while (r >= 0) {
                const struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                if (entry->d_name[0] != '.')
                        r = visit(userdata, entry->d_name);
        }
        return r;
}

/* --- one need --- */

void need_say(Need *need, const char *format, ...) {
        size_t used = strlen(need->chain);
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(need->chain + used, sizeof(need->chain) - used, format, arguments);
        va_end(arguments);
        for (char *c = need->chain + used; *c; c++)
                if (*c < ' ' || *c > '~')
                        *c = '?';
}

static int add_to_path(Need *need, PciAddress address) {
        if (need->n_path == NEED_PATH_MAX)
                return -ENOSPC;
        need->path[need->n_path++] = address;
        return 0;
}

/* A virtual function goes with the physical one that it was made of. */
static int add_physical_function(const Root *root, Need *need) {
        PciAddress last = need->path[need->n_path - 1], physical;
        char path[NEEDS_PATH_SIZE], text[PCI_ADDRESS_SIZE];

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/physfn",
                       pci_address_format(last, text));
        if (file_read_link_name_at(root->fd, path, text, sizeof(text)) < 0 ||
            pci_address_parse(text, &physical) < 0)
                return 0;
        need->path[need->n_path - 1] = physical;
        return add_to_path(need, last);
}

int need_read_path(const Root *root, const char *target, Need *need) {
        int r = 0;

        for (const char *at = target; *at && r >= 0;) {
                size_t length = strcspn(at, "/");
                char text[PCI_ADDRESS_SIZE];
                PciAddress address;

                if (length < sizeof(text)) {
                        (void)memcpy(text, at, length);
                        text[length] = '\0';
                        if (pci_address_parse(text, &address) >= 0) {
                                r = add_to_path(need, address);
                                need->is_function = strncmp(at + length, "/net/", 5) == 0;
                        }
                }
                at += length;
                at += *at == '/';
        }
        return r < 0 || need->n_path == 0 ? r : add_physical_function(root, need);
}

int needs_add(Needs *needs, const Need *need) {
        if (needs->n_needs == NEEDS_MAX)
                return -ENOSPC;
        needs->needs[needs->n_needs++] = *need;
        return 0;
}

/* --- a walk --- */

int needs_walk_add(NeedsWalk *walk, const char *name, size_t parent) {
        NeedsNode *node;

        for (size_t i = 0; i < walk->n_nodes; i++)
                if (strcmp(walk->nodes[i].name, name) == 0)
                        return 0;
        if (walk->n_nodes == NEEDS_NODE_MAX || strlen(name) >= NEEDS_NODE_SIZE)
                return -ENOSPC;
        node = &walk->nodes[walk->n_nodes++];
        (void)snprintf(node->name, sizeof(node->name), "%s", name);
        node->parent = parent;
        return 0;
}

typedef struct Entries {
        NeedsWalk *walk;
        const char *prefix;
        size_t parent;
        bool found;
} Entries;

static int visit_entry(void *userdata, const char *name) {
        Entries *entries = userdata;
        size_t length = strlen(entries->prefix);

        if (strncmp(name, entries->prefix, length) != 0)
                return 0;
        entries->found = true;
        return needs_walk_add(entries->walk, name + length, entries->parent);
}

int needs_walk_add_entries(NeedsWalk *walk, const char *path, const char *prefix, size_t parent) {
        Entries entries = { walk, prefix, parent, false };
        int r;

        r = needs_for_each_entry(walk->root, path, visit_entry, &entries);
        return r < 0 ? r : entries.found;
}

/* People know a mapped device by the name that they gave it. */
static const char *label(const NeedsWalk *walk, const NeedsNode *node,
                         char text[static LABEL_SIZE]) {
        char path[NEEDS_PATH_SIZE], name[256];

        (void)snprintf(path, sizeof(path), "sys/class/block/%s/dm/name", node->name);
        if (strncmp(node->name, "dm-", 3) != 0 ||
            file_read_line_at(walk->root->fd, path, name, sizeof(name)) <= 0)
                (void)snprintf(name, sizeof(name), "%s", node->name);
        (void)snprintf(text, LABEL_SIZE, "%s", name);
        return text;
}

/* "eth0, which carries the default route through bond0 and vmbr0," */
static void say_chain(const NeedsWalk *walk, size_t leaf, Need *need) {
        const NeedsNode *node = &walk->nodes[leaf];
        char text[LABEL_SIZE];

        need_say(need, "%s, which %s", label(walk, node, text), walk->what);
        for (size_t i = leaf; node->parent != i;) {
                const char *before = i == leaf ? " through" : ",";
                size_t next = node->parent;

                node = &walk->nodes[next];
                if (i != leaf && node->parent == next)
                        before = " and";
                need_say(need, "%s %s", before, label(walk, node, text));
                i = next;
        }
        need_say(need, ",");
}

int needs_walk_add_leaf(NeedsWalk *walk, size_t i, NeedKind kind, const char *target) {
        Need need = { .kind = kind, .is_essential = walk->is_essential };
        int r;

        r = need_read_path(walk->root, target, &need);
        if (r < 0 || need.n_path == 0)
                return r;
        say_chain(walk, i, &need);
        r = needs_add(walk->needs, &need);
        return r < 0 ? r : 1;
}

int needs_walk_add_guest(NeedsWalk *walk, size_t i) {
        Need need = { .kind = NEED_NETWORK };

        /* A router has one for each of its guests. */
        for (size_t n = 0; n < walk->needs->n_needs; n++)
                if (walk->needs->needs[n].kind == NEED_NETWORK && walk->needs->needs[n].n_path == 0)
                        return 0;
        say_chain(walk, i, &need);
        return needs_add(walk->needs, &need);
}

int needs_walk(NeedsWalk *walk, const char *name, NeedsExpand expand) {
        size_t first = walk->n_nodes;
        int r;

        r = needs_walk_add(walk, name, first);
        for (size_t i = first; i < walk->n_nodes && r >= 0; i++)
                r = expand(walk, i);
        return r < 0 ? r : 0;
}
