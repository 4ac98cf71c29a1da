/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vfio-mode-apply can be told to do. Each verb is the ExecStart or ExecStop of a unit.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"
#include "model/refusal.h"

/** A verb as it was asked for. */
typedef struct ApplyVerb {
        const char *name;
        const char *object; /**< the mode or address; NULL: none was given */
        bool without_units; /**< of `switch` alone */
} ApplyVerb;

/**
 * Runs a verb by its name.
 *
 * Returns what the verb does, a RefusalKind; or -EINVAL, with nothing done, for a verb that does
 * not exist, that was given too many or too few words, or an option of another one.
 */
int apply_run_verb(const Root *root, const ApplyVerb *verb);

/**
 * `switch MODE`: ExecStart and ExecReload of vfio-mode@MODE.service.
 *
 * @without_units: leave the units of modes alone, and the machine's state of going down unasked
 *
 * Returns why not, or REFUSAL_NONE; the reason was logged, sent to the service manager and written
 * to /run/vfio-mode/result.
 */
RefusalKind apply_switch(const Root *root, const char *mode, bool without_units);

/** `boot`: ExecStart of vfio-mode-boot.service. Picks the mode, records it for later boots, applies
 * it early, queues its unit's start. */
RefusalKind apply_boot(const Root *root);

/**
 * `leave MODE`: ExecStop of vfio-mode@MODE.service. Goes to the fallback mode, unless a switch, a
 * restart or the end of the machine is what stops the unit. Stopping the fallback mode's own unit
 * only starts it again.
 */
RefusalKind apply_leave(const Root *root, const char *mode);

/**
 * `fallback`: ExecStart of vfio-mode-fallback.service. Waits for a switch under way, then starts
 * the fallback mode's unit or, where it is active, has it mend what drifted; where systemd cannot
 * be asked, or does not get there, does it without units.
 */
RefusalKind apply_fallback(const Root *root);

/**
 * `replug ADDRESS`: ExecStart of vfio-mode-replug@.service, which udev pulls in when a function
 * appears that the mode in force wants on vfio-pci: checks everything again and rebinds what the
 * host's driver got first.
 */
RefusalKind apply_replug(const Root *root, const char *address);

/**
 * `confirm`: ExecStart of vfio-mode-confirm.service, once the boot has completed. Writes the record
 * of the boot where it could not be written early, makes a missing or damaged boot environment
 * anew, confirms the boot where its mode says so, and says what did not come to pass.
 */
RefusalKind apply_confirm(const Root *root);

/**
 * `late-return`: ExecStart of vfio-mode-late-return.service, which a switch that gets stuck starts.
 * Waits until its writer has left the kernel, then goes to the fallback mode as `fallback` does.
 * Does nothing where another switch was begun since then.
 */
RefusalKind apply_late_return(const Root *root);

/**
 * `cut-short`: ExecStart of vfio-mode-cut-short@.service, which systemd starts when a unit that
 * switches has failed. Goes to the fallback mode as `fallback` does where that unit was ended by a
 * signal or had no time left, and the machine is in no mode; starts it again where it was refused
 * to mend the mode that is on. Reads MONITOR_UNIT, MONITOR_SERVICE_RESULT and MONITOR_EXIT_STATUS
 * (systemd.exec(5)).
 */
RefusalKind apply_cut_short(const Root *root);

/** `disarm`: ExecStart of vfio-mode-disarm.service. The next boot goes to the fallback mode. */
RefusalKind apply_disarm(const Root *root);

/** `verdict`: ExecStart of vfio-mode-verdict.service, ten seconds after a switch has started the
 * display manager again. Says where it does not run, in the result of that switch, too. */
RefusalKind apply_verdict(const Root *root);

/** `inspect MODE`: ExecStart of vfio-mode-inspect@MODE.service. Plans the mode, makes the checks
 * and leaves both in /run/vfio-mode/inspect. A refusal is an answer, no failure. */
RefusalKind apply_inspect(const Root *root, const char *mode);

/** `print-inspection MODE`: run by vfio-modectl(1), and by no unit, for a captured machine. Finds
 * the same and writes it to the standard output alone. */
RefusalKind apply_print_inspection(const Root *root, const char *mode);

/**
 * `rom ADDRESS`: run by vfio-modectl(1), and by no unit. Reads a function's expansion ROM, with the
 * function awake and enabled for that long, and writes it to the standard output.
 *
 * Returns why not, or REFUSAL_NONE; the reason was logged. Where a signal has interrupted it, it
 * does not return, and has put everything back.
 */
RefusalKind apply_rom(const Root *root, const char *address);

/** `one-shot MODE`: ExecStart of vfio-mode-one-shot@MODE.service. Writes the one-shot EFI variable;
 * @mode "none" deletes it. */
RefusalKind apply_one_shot(const Root *root, const char *mode);

/**
 * `revert`: ExecStart of vfio-mode-revert.service, which a timer starts. Goes back from a switch
 * that nobody confirmed in time; where the mode before is refused, to the fallback mode. Does
 * nothing where the machine is in another mode by now.
 */
RefusalKind apply_revert(const Root *root);

/** `grub-environment`: makes the boot environment where there is none and prints for GRUB's scripts
 * where it is, or why there is none. */
RefusalKind apply_grub_environment(const Root *root);

/** `grub-modes`: prints for GRUB's scripts the modes that menu entries are for, with their kernel
 * arguments; with REFUSAL_NOT_SUPPORTED why there can be none. */
RefusalKind apply_grub_modes(const Root *root);

/**
 * `initramfs`: run in the initramfs before drivers are loaded. Picks the boot's mode as `boot`
 * will, without what is only in /var, and keeps the mode's devices from host drivers until then.
 */
RefusalKind apply_initramfs(const Root *root);

/**
 * `initramfs-files TOOL-KERNEL`: prints for who makes that image the files that go into it, and
 * notes in /var/lib/vfio-mode/initramfs what they were, for `inspect`. Refused where the boot would
 * not be met by vfio-mode-boot.service.
 */
RefusalKind apply_initramfs_files(const Root *root, const char *image);
