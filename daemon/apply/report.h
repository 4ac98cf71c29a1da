/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Says how a run ended, in the same words everywhere it can be asked for.
 */
#pragma once

#include "host/root.h"
#include "model/run-result.h"

/** Logs the result, sends it to the service manager (`systemctl status`) and writes it to @path. */
void report(const Root *root, const char *path, const RunResult *result);
