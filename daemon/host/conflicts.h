/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other programs that think a device is theirs, by the files that they leave in the system. Looked
 * at on the way to vfio-pci only: nobody's files keep a screen from coming back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/plan.h"
#include "root.h"

#define CONFLICTS_MAX 16

typedef struct Conflict {
        bool breaks;      /**< it moves the device by itself: the two of us would undo each other */
        char text[256];   /**< who it is, and what it does */
        char advice[128]; /**< what to do */
} Conflict;

typedef struct Conflicts {
        Conflict conflicts[CONFLICTS_MAX];
        size_t n_conflicts; /**< those kept; more are not looked for */
} Conflicts;

/**
 * Finds other owners of functions that a mode has on vfio-pci: driverctl(8), supergfxd,
 * gpu-manager, optimus-manager and system76-power where they are enabled or run, envycontrol, rules
 * for udev that a person has written, prime-select, and libvirt hooks that name one of the
 * addresses or its driver.
 *
 * @functions: theirs; one that @host does not have is passed over
 * @ret: filled in the order above, those of one owner by address. What cannot be read is no
 * conflict.
 */
void conflicts_find(const Root *root, const Host *host, const PciAddress *functions,
                    size_t n_functions, Conflicts *ret);

/** The driver that driverctl(8) puts a function on whenever it appears; "" and false where it
 * leaves it alone, or its file cannot be read. */
bool conflicts_driverctl_driver(const Root *root, PciAddress function,
                                char driver[static CONFIG_DRIVER_SIZE]);

/** Adds one; where there is no room it is left out. */
void conflicts_add(Conflicts *conflicts, bool breaks, const char *advice, const char *format, ...)
        _printf_(4, 5);

/**
 * Refuses a plan that takes a device which another program would move by itself; what is only a
 * nuisance becomes a note of the plan. The way to the fallback mode is never refused, nor is a plan
 * without steps.
 *
 * Returns REFUSAL_NONE, or conflicting-owner with @refusal filled.
 */
RefusalKind conflicts_judge(const Root *root, const Config *config, const Host *host, Plan *plan,
                            Refusal *refusal);
