/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Login sessions on the seats that lose a screen, the display manager that opens them, there and
 * elsewhere, and who objects to their end: what host/sessions saw.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "pci-address.h"

#define SESSIONS_MAX 16
#define SESSION_ID_SIZE 16

/** A login session. */
typedef struct Session {
        char id[SESSION_ID_SIZE];
        char user[32 + 1]; /**< its name; its number where it has none */
        unsigned uid;
        char seat[32];      /**< "": on none */
        bool is_graphical;  /**< by its type; a compositor started from a text login is told by what
                               it has open */
        bool is_greeter;    /**< the display manager's own: nobody is logged in */
        bool is_of_manager; /**< the display manager has opened it, and it ends with that */
} Session;

/** A lock that says that the machine may not go down or to sleep now (systemd-inhibit(1)). */
typedef struct Inhibitor {
        char who[64];
        char why[128];
        char what[64]; /**< with ':' between */
        unsigned pid;
} Inhibitor;

typedef struct Sessions {
        bool is_known;         /**< it was looked; nothing else is valid otherwise */
        bool has_other_screen; /**< some display stays with the host */
        PciAddress display;    /**< a display function that leaves */
        Session list[SESSIONS_MAX];
        size_t n;
        char manager[CONFIG_UNIT_SIZE]; /**< the display manager's unit, without its alias; "": none
                                           runs */
        Inhibitor inhibitor;            /**< the first that counts; who "": nobody objects */
} Sessions;
