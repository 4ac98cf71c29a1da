/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the display manager still runs ten seconds after it was started again, which no switch
 * waits for: a timer of systemd's has the verb `verdict` look.
 */
#pragma once

#include "host/root.h"

/**
 * Has it looked at in ten seconds, where @unit, whose start was queued, is the display manager.
 * What is found then is added to the result of this very invocation, where that still stands.
 */
void verdict_arm(const Root *root, const char *unit);
