/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /run/vfio-mode, read. Who writes it is apply/; and the trial of a switch, which vfio-moded
 * writes.
 */
#pragma once

#include "model/inspection.h"
#include "model/run-result.h"
#include "model/run-state.h"
#include "model/switch-trial.h"
#include "model/vm-list.h"
#include "model/vm-watch.h"
#include "root.h"

#define RUN_DIR "run/vfio-mode"
#define STATUS_PATH RUN_DIR "/status"
#define UNDO_PATH RUN_DIR "/undo"
#define RESULT_PATH RUN_DIR "/result"
/* The same with names of processes, where there are any; root's only. */
#define RESULT_NAMES_PATH RESULT_PATH ".names"
#define BOOT_PATH RUN_DIR "/boot"
#define SCREEN_AWAY_PATH RUN_DIR "/screen-away" /* keeps the display manager from starting */
#define VERDICT_PATH RUN_DIR "/verdict"         /* whose result the verdict belongs to */
#define LOCK_PATH RUN_DIR "/lock"
#define INSPECT_DIR RUN_DIR "/inspect" /* a file for each mode that was inspected; root's only */
#define BOOT_RECORD_RUN_PATH \
        RUN_DIR "/boot-record" /* of this boot, where /var/lib could not be written so early */
#define TRIAL_PATH "run/vfio-moded/trial"
#define TRIAL_NEXT_PATH TRIAL_PATH ".next"        /* of a switch that is still to succeed */
#define VM_WATCH_PATH "run/vfio-mode-guard/watch" /* what the guard of the mode knows */
#define VM_LIST_DIR "run/vfio-moded/vm"           /* of its own, to be watched */
#define VM_LIST_PATH VM_LIST_DIR "/list"          /* what hooks have told; vfio-moded's */
#define VFIO_MARKS_DIR RUN_DIR "/vfio" /* a file for each address that is wanted on vfio-pci */

/**
 * Whether another process has the lock of a switch, which a killed one does not; without taking it
 * for a moment as a try would.
 *
 * Returns 1; 0, also where there is no lock file yet; or a negative errno where we may not ask:
 * whoever may open the file could hold the lock.
 */
_must_check_ int lock_is_held(const Root *root);

/**
 * Reads the mode in force, whether it is held, and what we moved.
 *
 * Returns 0; -ENOENT where no switch was made since boot (@ret is then an empty state); -EBADMSG or
 * -EPROTONOSUPPORT where the file is not as we write it; else the error of reading.
 */
_must_check_ int state_read(const Root *root, RunState *ret);

/** Reads what a switch in progress, or a killed one, has to undo. Returns as state_read(). */
_must_check_ int undo_read(const Root *root, RunState *ret);

/**
 * Which mode the machine is in, by its own records: none while a switch is under way or after one
 * that was not ended, which the reading of a ROM is not.
 *
 * @ret: the mode; "": none
 *
 * Returns whether there is one; false also where that cannot be read.
 */
bool mode_in_force_read(const Root *root, char ret[static CONFIG_NAME_SIZE]);

/** Reads how the last run ended, with names of processes where they may be read. Returns 0;
 * -ENOENT; -EBADMSG; else the error of reading. */
_must_check_ int result_read(const Root *root, RunResult *ret);

/** Reads what the boot unit decided and how it went, in the same form. Returns as result_read(). */
_must_check_ int boot_result_read(const Root *root, RunResult *ret);

/** Reads the switch that is to be confirmed. Returns 0; -ENOENT where there is none; -EBADMSG; else
 * the error of reading. */
_must_check_ int trial_read(const Root *root, SwitchTrial *ret);

/** Reads the same of a switch that is under way. Returns as trial_read(). */
_must_check_ int trial_next_read(const Root *root, SwitchTrial *ret);

/** Reads what the guard of a mode knows, be it an earlier one's. Returns as trial_read(). */
_must_check_ int vm_watch_read(const Root *root, VmWatch *ret);

/** Reads what the last inspection of a mode found out. Returns 0; -ENOENT where there was none;
 * -EBADMSG; -EPROTONOSUPPORT; else the error of reading. */
_must_check_ int inspection_read(const Root *root, const char *mode, Inspection *ret);

/** Reads what hooks have told of virtual machines. Returns as trial_read(). */
_must_check_ int vm_list_read(const Root *root, VmList *ret);
