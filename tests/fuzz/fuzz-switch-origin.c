/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who asked for a switch. */
#include "model/switch-origin.h"
#include "round-trip.h"

FUZZ_ROUND_TRIP(SwitchOrigin, switch_origin_parse, switch_origin_format, SWITCH_ORIGIN_SIZE_MAX)
