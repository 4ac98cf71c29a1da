/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hooks have told of virtual machines. */
#include "model/vm-list.h"
#include "round-trip.h"

FUZZ_ROUND_TRIP(VmList, vm_list_parse, vm_list_format, VM_LIST_SIZE_MAX)
