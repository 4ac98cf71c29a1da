/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A switch that is to be confirmed. */
#include "model/switch-trial.h"
#include "round-trip.h"

FUZZ_ROUND_TRIP(SwitchTrial, switch_trial_parse, switch_trial_format, SWITCH_TRIAL_SIZE_MAX)
