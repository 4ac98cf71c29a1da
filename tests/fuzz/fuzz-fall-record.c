/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last time that the machine fell back. */
#include "model/fall-record.h"
#include "round-trip.h"

FUZZ_ROUND_TRIP(FallRecord, fall_record_parse, fall_record_format, FALL_RECORD_SIZE_MAX)
