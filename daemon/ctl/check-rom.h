/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ROMs of a mode's functions, read for `check MODE --read-rom`. */
#pragma once

#include "ctl/arguments.h"
#include "model/inspection.h"

/**
 * Reads the ROM of each function of the mode as `rom` does, one after another, and adds the check
 * `rom-NAME` of each that has one, and of each graphics card. Of a device that is not there nothing
 * is added.
 *
 * @ret: with the mode's name; gets the checks
 *
 * Returns EXIT_CODE_DONE; else another, and the reason has been said.
 */
int check_rom(const Arguments *arguments, Inspection *ret);
