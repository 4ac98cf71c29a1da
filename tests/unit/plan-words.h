/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a plan is made from, in words, and what becomes of it: a Machine is a Host, a Config and a
 * RunState as values, and machine_simulate() does to it what vfio-mode-apply and the kernel would.
 * Pure, so that thousands of machines cost nothing.
 */
#pragma once

#include "model/plan.h"

/** One function. What is not named is absent. */
typedef struct Words {
        const char *address;
        const char *id;
        uint32_t class_code;
        const char *driver;
        const char *
                native; /**< what its modalias picks; NULL: as @driver, unless that is a vfio one */
        const char *override;
        const char *variant; /**< @driver is this variant of vfio-pci */
        const char *wants;   /**< the variant that there is for it */
        bool wants_loaded;   /**< and its module is loaded */
        int group;           /**< 0: none */
        int holder;          /**< PID */
        bool boot_vga;
        bool will_bind;
        bool held; /**< a process uses it on the host */
} Words;

typedef struct Machine {
        Config config;
        Host host;
        RunState state;
        char natives[HOST_FUNCTIONS_MAX][CONFIG_DRIVER_SIZE]; /**< beside host.functions */
} Machine;

/** Empties the machine: IOMMU on, vfio-pci and vfio_iommu_type1 there, no function. */
void machine_init(Machine *machine);

/** Parses the configuration, which must be valid. */
void machine_configure(Machine *machine, const char *text);

/** Adds a function, in any order. */
void machine_add(Machine *machine, const Words *words);

/** Remembers where a function was before we took it. NULL: nothing. */
void machine_add_home(Machine *machine, const char *address, const char *driver,
                      const char *override);

/** plan_make() for this machine. */
RefusalKind machine_plan(const Machine *machine, const char *mode, bool early, Plan *ret,
                         Refusal *ret_refusal);

/**
 * Takes the steps, and keeps the state as apply does: a function that is on vfio-pci because we
 * moved it has a home, others have none.
 *
 * Returns NULL; or, where the kernel would refuse a step, that step in words (static until the next
 * call).
 */
const char *machine_simulate(Machine *machine, const Plan *plan);

/** What udev does after early boot: binds every function that is free to what its modalias picks.
 */
void machine_coldplug(Machine *machine);

Function *machine_find(Machine *machine, const char *address);

/** The plan's steps as "kind address driver" lines. Returns @buffer. */
const char *plan_text(const Plan *plan, char *buffer, size_t size);
