/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/in-use, looked up on the live machine.
 */
#pragma once

#include "model/in-use.h"
#include "root.h"

/**
 * Looks who uses what a plan takes from a host driver, who has what it takes from vfio-pci, as far
 * as holders_find_vfio() has seen somebody there, and which of the mode's stop-units run.
 *
 * @mode: of the plan; NULL: units are not asked for
 * @ret: but for `ending`, which stays as it is; empty where nothing is taken or the root is not the
 * live machine. Sessions are looked at once, since they do not come and go in a moment: who calls
 * again much later makes them unknown first
 *
 * Returns 0; -E2BIG where there are too many nodes; else the error of reading /proc or of asking
 * systemd.
 */
_must_check_ int in_use_look(const Root *root, const Host *host, const Plan *plan,
                             const ConfigMode *mode, InUse *ret);

/** Takes the unit's name from a guest that is not to be ended by stopping its unit. */
void in_use_find_unit(NodeHolder *guest);
