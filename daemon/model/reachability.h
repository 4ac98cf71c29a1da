/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a plan would cut the host off: from the network, from a disk it has in use, from its last
 * keyboard, from its screen. Pure; host/reachability-scan finds out what the host needs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "plan.h"

/** From what. */
typedef enum NeedKind {
        NEED_NETWORK, /**< an interface that carries a default route */
        NEED_STORAGE, /**< a disk with a mounted file system or active swap */
        NEED_INPUT,   /**< a keyboard; only the last one is missed */
        NEED_SCREEN,  /**< a display; the console's is missed, and the last one */
} NeedKind;

#define NEED_CHAIN_SIZE 240
#define NEED_PATH_MAX 32 /* docks in a chain have two bridges each */
#define NEEDS_MAX 512

/** One thing that the host needs, and the functions that it hangs below. */
typedef struct Need {
        NeedKind kind;
        char chain[NEED_CHAIN_SIZE];    /**< how the host gets to it, the beginning of a sentence:
                                           "eth0, which carries the default route through vmbr0," */
        PciAddress path[NEED_PATH_MAX]; /**< from the root of the PCI tree on; all are needed */
        size_t n_path;      /**< 0: of NEED_NETWORK; a virtual machine has its other end */
        bool is_essential;  /**< of NEED_STORAGE: the running system ends without it */
        bool is_function;   /**< it is itself the last function of the path, not something below */
        bool shows_console; /**< of NEED_SCREEN, as are the rest: the framebuffer console */
        bool is_boot_vga;
        bool is_away; /**< on a VFIO driver now */
} Need;

typedef struct Needs {
        Need needs[NEEDS_MAX];
        size_t n_needs;
} Needs;

/** Whether the plan takes a function from the host. */
bool reachability_is_at_stake(const PlanInput *input, const Plan *plan);

/** Whether it takes a display whose device does not consent to that: else no NEED_SCREEN has to be
 * looked for. */
bool reachability_screen_is_at_stake(const PlanInput *input, const Plan *plan);

/**
 * Judges a plan that plan_make() made of the same input. What is on a VFIO driver already is not
 * lost by it. No consent lets go of an essential disk.
 *
 * The way to the fallback mode is never refused: a device that the host needs is taken out of the
 * plan, with a note.
 *
 * Returns REFUSAL_NONE; or would-cut-storage, would-cut-network, would-cut-input or
 * drives-the-console, for what the device does not consent to.
 */
RefusalKind reachability_check(const PlanInput *input, Plan *plan, const Needs *needs,
                               Refusal *ret_refusal);

/** What the host needs most of all that hangs below a function, or is it, and is on the host now;
 * NULL: nothing. */
const Need *reachability_need_of(const Needs *needs, PciAddress address);
