/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What became of a switch, for whoever does not ask: an entry of the journal with its id, a notice
 * on text consoles, a message to terminals.
 */
#pragma once

#include "host/root.h"
#include "switch.h"

/** Logs how a switch ended; with what led to it as fields. */
void tell_end(const SwitchResult *result);

/** Where it was a fall, or the card is still away: puts up a notice (/run/issue.d) and sends it to
 * all terminals. Another switch that is done takes it down. */
void tell_everybody(const Root *root, const SwitchResult *result);
