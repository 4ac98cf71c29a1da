/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SetNextBoot, SetDefault, CancelNextBoot, Confirm: boot/next-boot's changes, made by a child, and
 * where the EFI variable has to be written by the unit that may.
 */
#pragma once

#include "request.h"

/** One boot into the mode. */
void next_boot_method_set_once(Request *request);

/** The mode from now on. */
void next_boot_method_set_default(Request *request);

/** Takes back what is armed. */
void next_boot_method_cancel(Request *request);

/** This boot was good, or the switch that goes back by itself. */
void next_boot_method_confirm(Request *request);
