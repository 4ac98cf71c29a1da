/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `check MODE`: what the service finds out about a mode on its machine.
 */
#pragma once

#include "ctl/arguments.h"

/** Checks the mode that is the first operand. Returns the program's exit code. */
int check_mode(const Arguments *arguments);
