/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a switch does to the units of modes beside stopping the old one and starting its own. */
#pragma once

#include "host/units.h"

/** A start that was refused leaves its unit failed, and the system "degraded": forgets that of all
 * but @mode's. */
void mode_units_forget_failures(const UnitInstance *instances, int n, const char *mode);

/**
 * Of a reload that is killed systemd tells nobody, since its unit stays active. So, where the
 * switch is one, a unit is started that waits for its end, and goes to the fallback mode where it
 * was cut short. It waits for the lock: to be called by who has that, before anything is done.
 */
void mode_units_watch_reload(const UnitInstance *instances, int n, const char *mode);
