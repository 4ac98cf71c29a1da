/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /run/vfio-mode remembers, as text and as a value: the mode the machine is in (`status`) and
 * what a switch in progress has to undo (`undo`). Pure. Lines of `key=value`, a version first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config.h"
#include "hugepages.h"
#include "module-stack.h"
#include "pci-address.h"
#include "power-policy.h"
#include "run-writer.h"

#define RUN_STATE_FUNCTIONS_MAX 64
#define RUN_STATE_UNITS_MAX 48
#define RUN_STATE_SIZE_MAX (128 * 1024)
#define RUN_STATE_TEXT_SIZE 512

/** Where a function was before we took it. */
typedef struct HomeFunction {
        PciAddress address;
        char driver[CONFIG_DRIVER_SIZE];          /**< "": none was bound */
        char driver_override[CONFIG_DRIVER_SIZE]; /**< "": unset */
        char framebuffer[CONFIG_DRIVER_SIZE]; /**< the firmware's platform device on it; "": none */
        bool had_picture;                     /**< a screen was connected to it */
        PowerPolicy power;                    /**< when it may sleep */
        PciAddress port;                      /**< the bridge above it, where it has one */
        PowerPolicy port_power;
} HomeFunction;

/** A function whose ROM is read, and what is put back of it when that is done. */
typedef struct HomeRom {
        bool is_known; /**< false: none is read */
        PciAddress address;
        bool is_enabled;   /**< the function, by us: it had no driver */
        PowerPolicy power; /**< when it may sleep; not known: we do not change it */
} HomeRom;

/** How many hugepages of a size there were before we asked for more. */
typedef struct HomePool {
        bool is_known; /**< false: we asked for none, or they are not to be given back */
        uint64_t pages;
} HomePool;

/** A unit that ran until we stopped it. */
typedef struct StoppedUnit {
        char name[CONFIG_UNIT_SIZE];
        bool is_holder; /**< stopped since it used a function; else the mode's stop-units named it
                         */
        PciAddress address; /**< of that function */
} StoppedUnit;

/** That the mode in force is somebody's choice, from which no virtual machine leads away. */
typedef struct Hold {
        uint64_t since; /**< CLOCK_REALTIME, µs, so that no two are the same; 0: it is not held */
        char reason[RUN_STATE_TEXT_SIZE]; /**< in words; one line */
} Hold;

/** `status`: the mode in force. `undo`: the switch in progress, from where to where. */
typedef struct RunState {
        char mode[CONFIG_NAME_SIZE];     /**< the mode in force, or the switch's target; "": none */
        char old_mode[CONFIG_NAME_SIZE]; /**< the mode before; "": none */
        char source[32];                 /**< who asked: boot, unit, bus, fallback, vm, ... */
        char reason[RUN_STATE_TEXT_SIZE]; /**< in words; one line */
        uint64_t since;                   /**< CLOCK_REALTIME, seconds */
        Hold hold;
        HomeFunction homes[RUN_STATE_FUNCTIONS_MAX]; /**< the functions that we moved, and not yet
                                                        back */
        size_t n_homes;
        HomePool home_pools[_HUGEPAGE_SIZE_MAX];
        HomeRom rom;      /**< of `undo`: the ROM that is read, or was when that was cut short */
        RunWriter writer; /**< of `undo`: who makes the switch's writes */
        char modules[MODULE_STACK_MAX][CONFIG_DRIVER_SIZE]; /**< in the order in which they were
                                                               unloaded */
        size_t n_modules;
        StoppedUnit units[RUN_STATE_UNITS_MAX]; /**< in the order in which they were stopped */
        size_t n_units;
} RunState;

/**
 * Parses what run_state_format() wrote.
 *
 * Returns 0; -EPROTONOSUPPORT where another version wrote it; -EBADMSG where it is damaged. @ret is
 * untouched on failure.
 */
_must_check_ int run_state_parse(const char *text, RunState *ret);

/**
 * Writes the state as text.
 *
 * @ret: the caller frees it
 *
 * Returns its length, or -ENOMEM.
 */
_must_check_ int run_state_format(const RunState *state, char **ret);

#define RUN_STATE_HOME_SIZE 384 /* the longest `function=` line */

/** One `function=` line with its newline, for appending to the undo log. Returns its length, or
 * -ENAMETOOLONG. */
_must_check_ int run_state_format_home(const HomeFunction *home, char *buffer, size_t size);

/** One `hugepages=` line with its newline, likewise. Returns its length, or -ENAMETOOLONG. */
_must_check_ int run_state_format_pool(HugepageSize size, uint64_t pages, char *buffer,
                                       size_t buffer_size);

/** Whether an undo log is that of a reading of a ROM, and of no switch: every function is where the
 * mode has it. */
bool run_state_is_of_rom(const RunState *undo);

#define RUN_STATE_ROM_SIZE 96

/** The `rom=` line with its newline, likewise. Returns its length, or -ENAMETOOLONG. */
_must_check_ int run_state_format_rom(const HomeRom *rom, char *buffer, size_t size);

/** Finds a function among the homes; NULL where it is none. */
const HomeFunction *run_state_find_home(const RunState *state, PciAddress address);

/** Adds a home unless the function has one already. Returns 0, or -ENOSPC. */
_must_check_ int run_state_add_home(RunState *state, const HomeFunction *home);

/** Adds the pools that @more knows and @state does not: the older one counts. */
void run_state_add_pools(RunState *state, const RunState *more);

/**
 * Forgets the pools of an undo log that are larger than the machine's now and that @state knows
 * nothing of. They were lowered by a switch that was cut short when its record was written already:
 * how many pages there were then is what that switch would have gone back to, and no pool's home.
 *
 * @memory: as it is now
 */
void run_state_forget_lowered_pools(RunState *undo, const RunState *state, const Memory *memory);

/** As run_state_format_home(), for a `unit=` line. */
_must_check_ int run_state_format_unit(const StoppedUnit *unit, char *buffer, size_t size);

/** Finds a stopped unit by its name; NULL where it is none. */
const StoppedUnit *run_state_find_unit(const RunState *state, const char *name);

/** Adds a stopped unit unless it is there already. Returns 0, or -ENOSPC. */
_must_check_ int run_state_add_unit(RunState *state, const StoppedUnit *unit);

/** As run_state_format_home(), for a `module=` line. */
_must_check_ int run_state_format_module(const char *module, char *buffer, size_t size);

/** Adds an unloaded module unless it is there already. Returns 0, or -ENOSPC. */
_must_check_ int run_state_add_module(RunState *state, const char *module);
