/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change of what boots go to, by one call of the service: the same for `next`, `set-default` and
 * `confirm`.
 */
#pragma once

#include "ctl/arguments.h"

/**
 * Calls the service's @method, and says what became of the next boot and whether anything changed.
 *
 * @mode: NULL where the method takes none
 *
 * Returns the program's exit code.
 */
int change_run(const Arguments *arguments, const char *method, const char *mode);
