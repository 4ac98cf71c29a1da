/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * While a mode with end-sessions has the last screen of the host, the display manager does not
 * start, whoever asks: units/display-manager.conf waits for the end of the mark that is set here.
 */
#pragma once

#include "situation.h"

/**
 * Sets the mark, or takes it away, by the mode that the machine is in now. Where it goes, a display
 * manager whose start it has kept back is started; nobody waits for that.
 *
 * @plan: of that mode
 * @is_whole: the machine is in the mode; else half-way, where nothing is kept back
 */
void screen_away_record(const Situation *now, const Plan *plan, bool is_whole);
