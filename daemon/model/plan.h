/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what is to what a mode wants: an ordered list of steps, or a named refusal. Pure: the same
 * input always gives the same plan, and a state that is as wanted gives no steps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "device.h"
#include "host.h"
#include "module-stack.h"
#include "refusal.h"
#include "run-state.h"
#include "session.h"

#define PLAN_STEPS_MAX (5 * RUN_STATE_FUNCTIONS_MAX + 2 * MODULE_STACK_MAX + 8)
#define PLAN_STOPS_MAX 64
#define PLAN_NOTES_MAX 16
#define PLAN_STEP_TEXT_SIZE 192
#define PLAN_STEP_OBJECT_SIZE 64
#define PLAN_STOP_TEXT_SIZE 224

typedef enum StepKind {
        STEP_LOAD_MODULE,   /**< load `driver` by name, in spite of a blacklist */
        STEP_RELOAD_MODULE, /**< the same for one that was unloaded; without it the way back is gone
                               all the same */
        STEP_UNLOAD_MODULE, /**< unload `driver`, the module that drives `address` or one above it
                             */
        STEP_SET_OVERRIDE,  /**< driver_override of `address` becomes `driver`; "" clears it */
        STEP_UNBIND,        /**< take `address` from `driver` */
        STEP_RELEASE_FRAMEBUFFER, /**< unbind the firmware's framebuffer, the platform device
                                     `driver`, from its driver */
        STEP_RETURN_FRAMEBUFFER,  /**< bind it again, where `address` has got no driver, or the one
                                   * that it stood beside */
        STEP_BIND,     /**< give `address` to `driver`; the link read back is the verdict */
        STEP_PROBE,    /**< let the kernel pick: load what the modalias names, then drivers_probe */
        STEP_COLDPLUG, /**< early boot: only drivers_probe; udev loads what is missing later */
        STEP_HUGEPAGES, /**< the pool of `size` gets `pages`, of which `pages_min` are needed */
} StepKind;

typedef struct Step {
        StepKind kind;
        PciAddress address; /**< where step_has_address() */
        /** Not of STEP_PROBE, STEP_COLDPLUG and STEP_HUGEPAGES. A variant of vfio-pci goes by its
         * module's name until that is loaded. */
        char driver[CONFIG_DRIVER_SIZE];
        char home_driver[CONFIG_DRIVER_SIZE]; /**< of STEP_RETURN_FRAMEBUFFER: that it stood
                                                 beside; "": none */
        unsigned n_users;  /**< of STEP_UNLOAD_MODULE: who uses it now, besides other modules */
        HugepageSize size; /**< of STEP_HUGEPAGES, as are the rest */
        uint64_t pages_before;
        uint64_t pages;
        uint64_t pages_min;
} Step;

typedef enum PlanStopKind {
        PLAN_STOP_UNIT,    /**< `unit` is among the mode's stop-units and runs */
        PLAN_STOP_MANAGER, /**< `unit` is the display manager */
        PLAN_END_SESSION,
        PLAN_STOP_HOLDER, /**< `unit` uses the function */
        PLAN_KILL_HOLDER, /**< the process uses the function */
        PLAN_END_GUEST,   /**< the process has the function's VFIO node open */
} PlanStopKind;

/** What has to let go before the first step. */
typedef struct PlanStop {
        PlanStopKind kind;
        /** Not of PLAN_KILL_HOLDER and PLAN_END_SESSION; of PLAN_END_GUEST its unit, or "". */
        char unit[CONFIG_UNIT_SIZE];
        /** Not of PLAN_STOP_UNIT; of PLAN_STOP_MANAGER the display that leaves. */
        PciAddress address;
        bool for_good;   /**< of PLAN_STOP_MANAGER: for as long as that display is away */
        Holder process;  /**< of PLAN_KILL_HOLDER and PLAN_END_GUEST */
        Session session; /**< of PLAN_END_SESSION */
} PlanStop;

typedef struct Plan {
        char mode[CONFIG_NAME_SIZE];
        bool early;                     /**< as PlanInput.early: nothing may take long */
        PlanStop stops[PLAN_STOPS_MAX]; /**< in_use_plan() puts them there */
        size_t n_stops;
        Step steps[PLAN_STEPS_MAX];
        size_t n_steps;
        PciAddress vfio[RUN_STATE_FUNCTIONS_MAX]; /**< every function that is on vfio-pci when the
                                                     plan is done */
        size_t n_vfio;
        size_t n_staying;    /**< functions that would return, but for a guest that has them */
        Refusal stays_since; /**< who has the first of them */
        char notes[PLAN_NOTES_MAX]
                  [256]; /**< what is not as configured and was left alone, in words */
        size_t n_notes;
} Plan;

typedef struct PlanInput {
        const Config *config;
        const Host *host;
        const RunState *state; /**< the functions that we moved; never NULL */
        const char *mode;
        bool early; /**< before udev's coldplug: what is unbound and wanted on the host is left to
                       it */
        bool ends_guests; /**< whoever has a VFIO node open, and can be seen, will be ended first */
} PlanInput;

/**
 * Makes the plan for `mode`.
 *
 * A switch to the fallback mode is never refused for what is missing, unviable or without consent;
 * what cannot be had is a note, and the rest is done.
 *
 * Where a process has a function's VFIO node open and is not ended first it is refused as busy,
 * since unbinding under it would hang in the kernel. On the way back from another mode that
 * function and those of its IOMMU group stay instead, with a note each, where anything else
 * returns.
 *
 * @ret: valid where REFUSAL_NONE is returned
 * @ret_refusal: filled where another kind is returned
 */
RefusalKind plan_make(const PlanInput *input, Plan *ret, Refusal *ret_refusal);

/** Whether the plan's mode has a function on vfio-pci. */
bool plan_has_vfio(const Plan *plan, PciAddress address);

/** Whether a step is about a PCI function. */
bool step_has_address(const Step *step);

/** Whether the step takes its function from a driver: it is unbound, or the driver is unloaded; or
 * from the firmware's framebuffer. */
bool step_takes_from_driver(const Step *step);

/** Writes what a step is about: an address, a module, or a pool such as "hugepages-2M". Returns
 * @buffer. */
const char *step_object(const Step *step, char buffer[static PLAN_STEP_OBJECT_SIZE]);

/** Writes a step as a person reads it, such as "0000:01:00.1: unbind from snd_hda_intel". Returns
 * @buffer. */
const char *step_format(const Step *step, char buffer[static PLAN_STEP_TEXT_SIZE]);

/** A step's name in JSON and on D-Bus: load-module, unload-module, set-override, unbind, bind,
 * probe, coldplug, release-framebuffer, return-framebuffer, hugepages. */
const char *step_kind_name(StepKind kind);
