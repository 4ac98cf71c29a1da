/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One switch, from the lock to the record. Every way into a mode (a unit's start job, the boot, a
 * replugged device) goes through here.
 */
#pragma once

#include "host/root.h"
#include "model/refusal.h"
#include "model/run-result.h"

typedef struct SwitchRequest {
        const char *verb;     /**< for the result: switch, boot, replug */
        const char *mode;     /**< the target; not of mend_only */
        const char *source;   /**< who asked, for the status: unit, boot, ... */
        const char *reason;   /**< in words, for the status */
        bool early;           /**< before udev's coldplug: no drivers are loaded for the host */
        uint64_t early_since; /**< as writer_new() has it */
        bool without_units;   /**< leave the units of modes alone: early boot, or no service manager
                               */
        bool wait_for_lock;   /**< until a switch under way has ended, instead of refusing */
        bool is_last_way; /**< nobody tries anything after it: whatever is refused, the next boot
                             is to be without the card */
        bool mend_only;   /**< a replugged device: the mode in force again, as it was accepted */

        bool is_held;        /**< somebody's choice: no virtual machine leads out of it */
        const char *holders; /**< in place of the mode's own key, as there; NULL or "": as there */
} SwitchRequest;

/** What the mode's `on-wedged = reboot` leads to. */
typedef enum Reboot {
        REBOOT_NONE,
        REBOOT_IN_ORDER, /**< the last way back has failed */
        REBOOT_BY_FORCE, /**< a device is stuck in the kernel, on which an orderly one would wait */
} Reboot;

typedef struct SwitchResult {
        RunResult run; /**< how it ended, with text for the user */
        bool changed; /**< something was done, be it only that the mode in force has another name */
        bool is_stranded; /**< the card cannot be had back, but for the next boot */
        bool has_guard;   /**< the mode is on and has devices of its own: its guard is to be started
                           */
        bool ends_guard;  /**< the mode is on, and has none any more: one of before is to be stopped
                           */
        bool has_new_config; /**< what was accepted with the mode is not what was before */
        Reboot reboot;
        char from[CONFIG_NAME_SIZE];  /**< the mode before; "": none */
        char source[32], reason[512]; /**< of the request */
        char start[CONFIG_NAME_SIZE]; /**< the mode whose unit is to be started after a failure; "":
                                         none */
} SwitchResult;

/**
 * Lock, plan, stop the old mode's unit, steps, record.
 *
 * A refusal changes nothing and leaves the old mode's unit active. A failure is undone; but for the
 * way back to the fallback mode, which does what it can, and what failed a second time. Where a
 * driver is stuck everything is left as it is, and no mode's unit is active. Which unit is to be
 * active after a failure is left to the caller to start: when the lock is free again, and the
 * reason has been said.
 *
 * @ret: always filled
 */
RefusalKind switch_run(const Root *root, const SwitchRequest *request, SwitchResult *ret);
