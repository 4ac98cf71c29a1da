/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a unit may be started for a mode at all: for a slip of the keyboard systemd would keep a
 * failed unit of that name and call the system degraded.
 */
#pragma once

#include "host/root.h"
#include "model/refusal.h"

/** Returns REFUSAL_NONE; REFUSAL_UNKNOWN_MODE; REFUSAL_CONFIG_INVALID where the configuration
 * cannot be read and what was accepted last knows no such mode. */
RefusalKind mode_check(const Root *root, const char *mode, Refusal *refusal);
