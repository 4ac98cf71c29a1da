/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vfio-mode-apply can be told to do. Each verb is the ExecStart or ExecStop of a unit.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"
#include "model/refusal.h"

/**
 * `switch MODE`: ExecStart and ExecReload of vfio-mode@MODE.service.
 *
 * @without_units: leave the units of modes alone, and the machine's state of going down unasked
 *
 * Returns why not, or REFUSAL_NONE; the reason was logged, sent to the service manager and written
 * to /run/vfio-mode/result.
 */
RefusalKind verb_switch(const Root *root, const char *mode, bool without_units);

/** `boot`: ExecStart of vfio-mode-boot.service. Picks the mode, applies it early, queues its unit's
 * start. */
RefusalKind verb_boot(const Root *root);

/**
 * `leave MODE`: ExecStop of vfio-mode@MODE.service. Goes to the fallback mode, unless a switch, a
 * restart or the end of the machine is what stops the unit. Stopping the fallback mode's own unit
 * only starts it again.
 */
RefusalKind verb_leave(const Root *root, const char *mode);

/**
 * `fallback`: ExecStart of vfio-mode-fallback.service. Waits for a switch under way, then starts
 * the fallback mode's unit or, where it is active, has it mend what drifted; where systemd cannot
 * be asked, or does not get there, does it without units.
 */
RefusalKind verb_fallback(const Root *root);

/**
 * `replug ADDRESS`: ExecStart of vfio-mode-replug@.service, which udev pulls in when a function
 * appears that the mode in force wants on vfio-pci: checks everything again and rebinds what the
 * host's driver got first.
 */
RefusalKind verb_replug(const Root *root, const char *address);
