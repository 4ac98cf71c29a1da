/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the service manager how a run went, for `systemctl status`: `systemctl start` itself never
 * prints a reason.
 */
#pragma once

#include <stdint.h>

/** Sends STATUS=@text to $NOTIFY_SOCKET; does nothing outside a unit. What fails here fails
 * silently. */
void notify_status(const char *text);

/** Asks for so much time from now on, where the unit's timeout would leave less. */
void notify_extend_timeout(uint64_t usec);
