/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks systemd about units and jobs, through systemctl(1): as root it needs no bus, so the same way
 * works in early boot, in a rescue shell and at run time, and it already knows how to wait for
 * jobs. Only for the live machine; with another root nothing here may be called.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "model/config.h"
#include "model/systemctl-output.h"

#define UNIT_NAME_SIZE (sizeof("vfio-mode@.service") + CONFIG_NAME_SIZE)
#define UNIT_INSTANCES_MAX 64
/* The link that `systemctl enable` makes. */
#define ENABLED_BOOT_UNIT "etc/systemd/system/sysinit.target.wants/vfio-mode-boot.service"
#define DISPLAY_MANAGER "display-manager.service" /* an alias, whichever there is */

typedef enum UnitStart {
        UNIT_START_QUEUE,  /**< only put the start job in the queue */
        UNIT_START_WAIT,   /**< start and wait; nothing happens where it is active */
        UNIT_REAPPLY_WAIT, /**< start, or reload where it is active, which mends drift, and wait */
} UnitStart;

/**
 * Lists the instances of vfio-mode@.service that systemd knows, failed ones included.
 *
 * Returns how many; -E2BIG where there are more than @max; -EIO where systemctl failed; else the
 * error of running it.
 */
_must_check_ int units_list_instances(UnitInstance *ret, size_t max);

/**
 * The same for who has the lock of a switch: whoever is starting or reloading beside it, but for
 * the unit of @mode, has done so or was refused, and is waited for until systemd knows that; for 5
 * s at most.
 */
_must_check_ int units_list_settled(const char *mode, UnitInstance *ret, size_t max);

/** Writes the name of a mode's unit. Returns @buffer. */
const char *unit_name(const char *mode, char buffer[static UNIT_NAME_SIZE]);

/**
 * Starts a mode's unit.
 *
 * Returns 0 when it was queued or has started; -EIO where systemctl says it failed (the reason is
 * in /run/vfio-mode/result); else the error of running it.
 */
_must_check_ int units_start(const char *mode, UnitStart how);

/** Stops a mode's unit and what is bound to it, and waits. Returns as units_start(). */
_must_check_ int units_stop(const char *mode);

/** Starts another unit than a mode's, by its whole name, and waits. Returns as units_start(). */
_must_check_ int units_start_service(const char *unit);

/** Forgets that a mode's unit failed, so that the system does not stay "degraded" after a good
 * switch. */
int units_reset_failed(const char *mode);

/**
 * The type of the job that is queued or running for a mode's unit: start, stop, restart, ...
 *
 * Returns 1 where there is one; 0 where there is none (@ret is ""); else as units_list_instances().
 */
_must_check_ int units_job(const char *mode, char ret[static UNIT_JOB_SIZE]);

/**
 * Looks at units by their whole names, all at once.
 *
 * @ret: a row for each name
 *
 * Returns 0; -EBADMSG where systemctl says something else; else as units_list_instances().
 */
_must_check_ int units_look(const char (*names)[CONFIG_UNIT_SIZE], size_t n, UnitState *ret);

/**
 * When a unit that runs was last started or reloaded (CLOCK_MONOTONIC, µs).
 *
 * Returns 1; 0 where it does not run; else as units_look().
 */
_must_check_ int units_changed_at(const char *unit, uint64_t *ret);

/** Whether a unit runs. */
bool units_is_active(const char *unit);

/** Whether a unit runs, or nobody can be asked. */
bool units_may_run(const char *unit);

/** The same of a mode's unit. */
bool units_mode_may_run(const char *mode);

/** Stops another unit than a mode's, by its whole name, and waits. Returns as units_start(). */
_must_check_ int units_stop_service(const char *unit);

/** Whether a process is the main process of a unit, so that to stop the unit is to end the process
 * and little else. */
bool units_is_main_process(const char *unit, int pid);

/** Queues its stop. Returns as units_start(). */
_must_check_ int units_queue_stop(const char *unit);

/** Queues its start. Returns as units_start(). */
_must_check_ int units_queue_service(const char *unit);

/** Queues the start of a mode's guard, and not the mode's own; @anew: its restart, where it runs.
 * Returns as units_start(). */
_must_check_ int units_queue_guard(const char *mode, bool anew);

/** Queues its stop. Returns as units_start(). */
_must_check_ int units_queue_guard_stop(const char *mode);

/** Queues an orderly reboot of the machine. Returns as units_start(). */
_must_check_ int units_queue_reboot(void);

/** Queues its start; where it is active, its end first. Returns as units_start(). */
_must_check_ int units_queue_restart(const char *unit);

/** How often systemd has started a unit anew that had ended by itself (Restart=), since somebody
 * started it; 0 where that cannot be read. */
unsigned units_restarts(const char *unit);

/** Whether a unit does not run, and its last start was not made since a condition was not met. */
bool units_was_kept_back(const char *unit);

/**
 * The names of the units that are bound to a mode's unit (BindsTo=, Requires=, PartOf=), but for
 * our own, with blanks between, as far as they fit. Returns their length; else as
 * units_list_instances().
 */
_must_check_ int units_dependents(const char *mode, char *buffer, size_t size);

/**
 * Finds a unit that requires or wants a mode's unit and is being started itself.
 *
 * Returns whether there is one; false also where systemd cannot be asked.
 */
bool units_find_starter(const char *mode, char ret[static CONFIG_UNIT_SIZE]);

/** Whether any unit is bound to a mode's unit (BindsTo=, Requires=, PartOf=) and is stopped with
 * it; our own are none. */
bool units_has_dependents(const char *mode);

/**
 * Whether the machine is going down (`systemctl is-system-running`: stopping).
 *
 * Returns 1; 0, also where systemd is not what runs here ("offline"); -EIO where it does not
 * answer; else the error of asking.
 */
_must_check_ int units_system_is_stopping(void);

/**
 * Reads one property of a mode's unit, such as InvocationID.
 *
 * Returns its length, 0 where it is empty; else as units_list_instances().
 */
_must_check_ int units_property(const char *mode, const char *property, char *buffer, size_t size);
