/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard of a mode knows. */
#include "model/vm-watch.h"
#include "round-trip.h"

FUZZ_ROUND_TRIP(VmWatch, vm_watch_parse, vm_watch_format, VM_WATCH_SIZE_MAX)
