/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what is used down to the PCI functions: a link below /sys/class leads to the device's
 * directory, whose path names every function above it. What has none is made of other devices.
 *
 * A walk remembers every node it has been to. That ends circles, and says each leg of a RAID once,
 * for the first thing that needs it; so what matters most is walked from first.
 */
#pragma once

#include <limits.h>

#include "model/reachability.h"
#include "root.h"

#define NEEDS_PATH_SIZE 512 /* of a file in /sys, below the root */
#define NEEDS_NODE_MAX 2048
#define NEEDS_NODE_SIZE 64

typedef struct NeedsNode {
        char name[NEEDS_NODE_SIZE];
        size_t parent; /**< what is made of it; the first node of a walk is its own */
} NeedsNode;

typedef struct NeedsWalk {
        const Root *root;
        Needs *needs;
        NeedsNode nodes[NEEDS_NODE_MAX];
        size_t n_nodes;
        const char *what; /**< what it is for, as in "eth0, which ...": "holds /" */
        bool is_essential;
        const char *mounts; /**< mountinfo, while disks are looked for */
        bool is_unknown;    /**< something is on disks that nobody tells of */
} NeedsWalk;

/** Looks at one node: adds a need, or the nodes that it is made of. Returns a negative errno to end
 * the walk. */
typedef int (*NeedsExpand)(NeedsWalk *walk, size_t node);

/** Walks from a device down, unless it was looked at before. Returns 0; -ENOSPC where there is no
 * room for a node or a need; else @expand's error. */
_must_check_ int needs_walk(NeedsWalk *walk, const char *name, NeedsExpand expand);

/** Adds what a node is made of, if it is new. Returns 0 or -ENOSPC. */
_must_check_ int needs_walk_add(NeedsWalk *walk, const char *name, size_t parent);

/**
 * The same for the entries of a directory that begin with @prefix, which is no part of the name.
 *
 * Returns whether there was one; or a negative errno.
 */
_must_check_ int needs_walk_add_entries(NeedsWalk *walk, const char *path, const char *prefix,
                                        size_t parent);

/** Adds a need for a node that is below PCI functions by @target. Returns whether it is; or a
 * negative errno. */
_must_check_ int needs_walk_add_leaf(NeedsWalk *walk, size_t node, NeedKind kind,
                                     const char *target);

/** Adds a need of the network for a node whose other end is a virtual machine's, as one without
 * functions; the first of them is enough. Returns 0 or -ENOSPC. */
_must_check_ int needs_walk_add_guest(NeedsWalk *walk, size_t node);

/** Takes the functions off a path such as "../../devices/pci0000:00/0000:05:00.0/net/eth0". Returns
 * 0 or -ENOSPC. */
_must_check_ int need_read_path(const Root *root, const char *target, Need *need);

/** Appends to the need's sentence, as far as it fits. Names come from people and devices: only
 * plain characters are taken. */
void need_say(Need *need, const char *format, ...) _printf_(2, 3);

/** Returns 0 or -ENOSPC. */
_must_check_ int needs_add(Needs *needs, const Need *need);

/** Where a link of sysfs leads. Returns 0 or readlink(2)'s error. */
_must_check_ int needs_read_target(const Root *root, const char *directory, const char *name,
                                   char target[static PATH_MAX]);

typedef int (*NeedsVisit)(void *userdata, const char *name);

/** Calls @visit for every entry of a directory until it fails. No such directory: none. Returns 0
 * or a negative errno. */
_must_check_ int needs_for_each_entry(const Root *root, const char *path, NeedsVisit visit,
                                      void *userdata);
