/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files that make up ctl/bus.h share, and nobody else sees.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/bus.h"

#define SERVICE "org.vfiomode1"
#define OBJECT "/org/vfiomode1"
#define INTERFACE "org.vfiomode1.Manager"

#define SECOND UINT64_C(1000000)
#define READ_TIMEOUT (60 * SECOND) /* an inspection is a unit that is started */

struct Bus {
        sd_bus *bus;
        bool is_remote;
        char job[128]; /**< its object's path */
        BusJob answer;
        bool is_finished;
        BusFall fall;
        bool has_fallen;
        bool is_another; /* service, or none */
        bool is_gone;    /* the bus itself, which was said once */
        bool holds_signals;
};

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

/** Puts what failed in words. @from: as the bus has it, where it has. Returns @r. */
int bus_explain(int r, const sd_bus_error *from, bool is_remote, BusError *ret);
