/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sessions that lose their screen with a plan, looked up on the live machine.
 */
#pragma once

#include "model/in-use.h"
#include "root.h"

/**
 * Looks for the display manager, the sessions on the seats of the displays that a plan takes from
 * their host driver, those that the manager has opened elsewhere, and, where sessions are to be
 * ended, for who objects.
 *
 * @ret: `is_known` stays false where no display leaves
 *
 * Returns 0 or the error of looking.
 */
_must_check_ int sessions_look(const Root *root, const Host *host, const Plan *plan,
                               const ConfigMode *mode, Sessions *ret);

/** Whether some display of the machine is not among the functions that the plan has on vfio-pci. */
bool sessions_have_other_screen(const Root *root, const Plan *plan);
