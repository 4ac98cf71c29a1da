/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the display manager still runs ten seconds after it was started again, which no switch
 * waits for: a timer of systemd's has the verb `verdict` look.
 */
#pragma once

/** Has it looked at in ten seconds, where @unit, whose start was queued, is the display manager. */
void verdict_arm(const char *unit);
