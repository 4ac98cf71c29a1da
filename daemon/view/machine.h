/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that can be known of a machine by reading: its configuration, what was accepted of it, what
 * /run/vfio-mode remembers, and what the kernel says. Whatever is missing or damaged is part of the
 * answer and never an error: a tool that helps a person must work on a broken machine.
 */
#pragma once

#include "host/config-load.h"
#include "host/root.h"
#include "host/state-files.h"
#include "model/config.h"
#include "model/host.h"
#include "model/run-state.h"
#include "words.h"

/** A configuration that was read; `result` is what config_load() returned. */
typedef struct MachineConfig {
        int result;
        Config config; /**< valid if result >= 0 */
        ConfigFiles files;
        ConfigErrors errors;
} MachineConfig;

typedef struct Machine {
        Root root;              /**< a descriptor of its own */
        MachineConfig config;   /**< /etc/vfio-mode.ini as it is now */
        MachineConfig accepted; /**< the copy that the mode in force was made from */
        RunState state;
        int state_result; /**< of state_read() */
        RunState undo;
        int undo_result; /**< of undo_read() */
        bool is_written; /**< the switch that it is of has a process that is writing */
        int lock_result; /**< of lock_is_held() */
        bool is_beside;  /**< a switch is, or may be, under way: no driver_override is read */
        RunState moved;  /**< the homes of both: every function that is not where it was */
        RunResult last_switch;
        int last_switch_result;
        uint64_t last_switch_time; /**< CLOCK_REALTIME in us when that was written; 0: never */
        RunResult last_boot;
        int last_boot_result;
        Host host;
        int host_result;  /**< of the scan */
        bool scan_is_cut; /**< there are more functions than fit; the rest was left out */
} Machine;

/** Which functions to look at. */
typedef enum MachineScan {
        MACHINE_SCAN_NOTHING,  /**< none */
        MACHINE_SCAN_ACCEPTED, /**< those that machine_accepted_config() names, and their groups */
        MACHINE_SCAN_ALL,      /**< all; where they are too many, what the configuration names */
} MachineScan;

/**
 * Reads the machine below a root.
 *
 * @ret: the caller frees it by machine_freep(); untouched on failure
 *
 * Returns 0, or the error of keeping the root open.
 */
_must_check_ int machine_read(const Root *root, MachineScan what, Machine **ret);

/** Looks at the functions that @config names, and their groups. Returns as host_scan(). */
int machine_scan_for(Machine *machine, const Config *config);

/** Frees it; for `_cleanup_(machine_freep)`. */
void machine_freep(Machine **machine);

/** The mode in force; "" where there is none, or while a switch is under way or was cut short. */
const char *machine_mode(const Machine *machine);

/** Whether a switch is under way or was cut short. */
bool machine_is_half_way(const Machine *machine);

/** Whether a write of a switch is stuck in the kernel: `undo.writer` says which. */
bool machine_is_wedged(const Machine *machine);

/**
 * Why the machine is in no mode, in one sentence.
 *
 * Returns new memory; the caller frees it.
 */
char *machine_why_no_mode(const Machine *machine);

/** The configuration to go by: the one in /etc, else the accepted copy; NULL where neither can be
 * used. */
const Config *machine_config(const Machine *machine);

/** The one that the mode in force was made from: the accepted copy, else the one in /etc; or NULL.
 */
const Config *machine_accepted_config(const Machine *machine);

/** Whether /etc has another configuration than the accepted one. */
bool machine_config_was_changed(const Machine *machine);

/** Adds each error as "file:line: reason", or "file: reason" where it is of no line. */
void machine_config_errors(const MachineConfig *config, Lines *ret);
