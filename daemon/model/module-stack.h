/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver that cannot be unbound while somebody uses it, and the modules above it. They are
 * unloaded instead: delete_module(2) refuses where a module is in use, and from then on nobody can
 * begin to use it. Pure; host/module-scan fills it in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "pci-address.h"

#define MODULE_STACK_MAX 16 /* modules */
#define MODULE_STACK_FUNCTIONS_MAX 64
#define DRIVER_UNITS_MAX 2

/** A driver whose remove() waits for its users without end. */
typedef struct WaitingDriver {
        const char *name;
        const char *units[DRIVER_UNITS_MAX]; /**< that use it whenever it is there */
} WaitingDriver;

typedef struct StackModule {
        char name[CONFIG_DRIVER_SIZE];
        unsigned n_users; /**< references that are not other modules' */
} StackModule;

typedef struct ModuleStack {
        char driver[CONFIG_DRIVER_SIZE];       /**< "": no function looked at has such a driver */
        StackModule modules[MODULE_STACK_MAX]; /**< in the order of unloading, the driver's own
                                                  last */
        size_t n_modules;                      /**< 0: it is no module, or tangled */
        bool is_tangled; /**< no order is known: too many modules, or they hold each other */
        PciAddress functions[MODULE_STACK_FUNCTIONS_MAX]; /**< bound to the driver */
        size_t n_functions;                               /**< may be more than there is room for */
} ModuleStack;

/** A module and what holds it, by their places in a list. */
typedef struct ModuleHolders {
        char names[MODULE_STACK_MAX][CONFIG_DRIVER_SIZE];
        unsigned n_references[MODULE_STACK_MAX];
        unsigned n_holders[MODULE_STACK_MAX]; /**< also those that found no place */
        uint32_t holders[MODULE_STACK_MAX];   /**< bit n: names[n] holds it */
        size_t n;
        bool is_cut; /**< one found no place */
} ModuleHolders;

/** Finds a driver among those that wait; NULL where it is none of them. */
const WaitingDriver *waiting_driver(const char *name);

/**
 * Puts modules in the order in which they can be unloaded: holders first. Where one of them has no
 * place in it, none has: tangled.
 */
void module_stack_order(const ModuleHolders *from, ModuleStack *ret);
