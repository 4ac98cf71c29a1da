/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a plan says beside its steps. Pure.
 */
#pragma once

#include "plan.h"

/** Adds a note; where there is no room for it, it is left out. */
void plan_note(Plan *plan, const char *format, ...) _printf_(2, 3);

/** Says that a function that is about to be taken will not come back before a reboot, where that is
 * so. */
void plan_note_no_return(Plan *plan, const Function *function);
