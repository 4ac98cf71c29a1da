/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check of the files that guests are given as ROMs of a mode's functions. */
#pragma once

#include "model/guest-definition.h"
#include "model/inspection.h"
#include "situation.h"

/** Reads each such file and adds the check `guest-rom-NAME` of it; of a captured machine below its
 * root. None for a mode whose functions no guest has a file for. */
void check_guest_roms(const Situation *now, const ConfigMode *mode, const GuestDefinitions *guests,
                      Inspection *ret);
