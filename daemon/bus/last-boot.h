/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LastBoot: what this boot did and why, and the one before it.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "snapshot.h"

/** Appends the dictionary, which is empty where no boot was recorded. Returns 0 or a negative
 * errno.
 */
_must_check_ int last_boot_append(sd_bus_message *reply, const SnapshotBoot *boot);
