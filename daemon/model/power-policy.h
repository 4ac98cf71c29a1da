/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a PCI device may sleep, as somebody has set it: `power/control` and `d3cold_allowed`, and
 * their text form in /run/vfio-mode. Pure.
 * Kernel: Documentation/ABI/testing/{sysfs-devices-power,sysfs-bus-pci}.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define POWER_POLICY_SIZE 16

typedef struct PowerPolicy {
        char control[8]; /**< "on", "auto"; "": not known */
        char d3cold[4];  /**< d3cold_allowed, "0" or "1"; "": not known */
} PowerPolicy;

/** Whether anything is known of it. */
bool power_policy_is_known(const PowerPolicy *policy);

/** Takes what the kernel says of `power/control`; any other text is not known. */
void power_policy_set_control(PowerPolicy *policy, const char *text);

/** Takes what the kernel says of `d3cold_allowed`; any other text is not known. */
void power_policy_set_d3cold(PowerPolicy *policy, const char *text);

/** Writes it as one word, such as "auto/1" or "on/-". Returns @buffer. */
const char *power_policy_format(const PowerPolicy *policy, char buffer[static POWER_POLICY_SIZE]);

/** Parses what power_policy_format() wrote of one that is known. Returns 0, or -EBADMSG with @ret
 * untouched. */
_must_check_ int power_policy_parse(const char *text, PowerPolicy *ret);
