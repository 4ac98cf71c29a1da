/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device numbers through which processes use a PCI function.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "model/host.h"
#include "root.h"

#define DEVICE_NODES_MAX 1024

typedef struct DeviceNode {
        dev_t number;
        bool is_block;
        bool is_major; /**< every minor of it */
        PciAddress address;
} DeviceNode;

typedef struct DeviceNodes {
        DeviceNode list[DEVICE_NODES_MAX];
        size_t n;
} DeviceNodes;

/**
 * Adds the nodes of a function; what belongs to no driver has none.
 *
 * Returns 0; -E2BIG where they are more than there is room for, or lie too deep; else the error of
 * looking, which is none where something is not there.
 */
_must_check_ int device_nodes_add(const Root *root, const Function *function, DeviceNodes *nodes);

/** Whether it is a card's own node (/dev/dri/card0), through which its outputs are set; the render
 * nodes only compute. */
bool device_node_is_card(dev_t number);
