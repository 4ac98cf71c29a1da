/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power policy of what is moved, and of the port above it, is found again as it was: vfio-pci
 * sets `auto` when it takes a function and `on` when it lets it go (kernel 6.1, 6.12).
 */
#pragma once

#include "model/plan.h"
#include "model/run-state.h"
#include "writer.h"

/** Notes how a function that is on the host may sleep, and the port above it: as @noted has it
 * where another function below it was noted first. */
void power_note(const Root *root, const RunState *noted, HomeFunction *home);

/** Whether a function goes to sleep by itself: its power/control is `auto`. */
bool power_may_sleep(const Root *root, PciAddress address);

/**
 * Has a function stay awake, and waits until it is: one that sleeps deeply answers nothing but
 * config space. Returns 0 or write(2)'s error.
 */
_must_check_ int power_wake(Writer *writer, PciAddress address);

/** Has the writer let it sleep by itself again where that is left alone. Returns as
 * writer_write_at_end(). */
_must_check_ int power_may_sleep_at_end(Writer *writer, PciAddress address);

/**
 * Puts back what differs from what was noted. What cannot be put back is said in the log; no switch
 * fails for it, unless it gets stuck (writer.h).
 */
void power_put_back(Writer *writer, const HomeFunction *home);

/** The same for all that were away @before, and are on the host again by this plan. */
void power_put_all_back(Writer *writer, const RunState *before, const Plan *plan);
