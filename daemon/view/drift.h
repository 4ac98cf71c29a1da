/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the mode in force and what the kernel or the configuration says, in words.
 */
#pragma once

#include "machine.h"
#include "words.h"

/** Adds one line for each difference; none where no mode is in force. */
void drift_find(const Machine *machine, Lines *ret);
