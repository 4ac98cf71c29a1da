/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Says how a run ended, in the same words everywhere it can be asked for.
 */
#pragma once

#include "host/root.h"
#include "model/run-result.h"
#include "switch.h"

/** Logs the result, sends it to the service manager (`systemctl status`) and writes it to @path. */
void report(const Root *root, const char *path, const RunResult *result);

/**
 * The same for a switch, to /run/vfio-mode/result; makes the next boot the fallback mode where the
 * card could not be had back; then queues the start of the unit that is to be active after a
 * failure. A run that changed nothing leaves the file alone: the unit that is started after a
 * failure would otherwise write over the reason.
 */
void report_switch(const Root *root, const SwitchResult *result);

/**
 * Says of a mode's unit that it is active again, without a switch that could be told of.
 *
 * @has_guard: which is queued then, since it has ended with the unit
 */
void report_goes_on(const Root *root, const char *mode, bool has_guard);
