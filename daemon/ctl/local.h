/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process reads itself, below --root or of the machine that it runs on. What is wrong
 * with that is said on stderr here.
 */
#pragma once

#include "ctl/arguments.h"
#include "view/machine.h"

/** Opens the root that the arguments name. Returns 0 or a negative errno, which has been said to
 * the user then. */
_must_check_ int local_root(const Arguments *arguments, Root *ret);

/** Reads the machine that the arguments name; the caller frees it by machine_freep(). NULL where
 * that failed, which has been said to the user then. */
Machine *local_machine(const Arguments *arguments, MachineScan what);

/** Says on stderr what is wrong with the configuration, if anything is. */
void local_complain_of_config(const Machine *machine);
