/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies in /var/lib/vfio-mode. */
#include "model/boot-record.h"
#include "round-trip.h"

FUZZ_ROUND_TRIP(BootRecord, boot_record_parse, boot_record_format, BOOT_RECORD_SIZE_MAX)
