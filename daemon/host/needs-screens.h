/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The displays that the machine has, and which of them shows the console. */
#pragma once

#include "needs-walk.h"

/** Adds a need for every display controller that can have a screen. Returns 0; -ENOSPC; else the
 * error of reading. */
_must_check_ int needs_scan_screens(const Root *root, Needs *ret);
