/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the service manager how a run went, for `systemctl status`: `systemctl start` itself never
 * prints a reason.
 */
#pragma once

/** Sends STATUS=@text to $NOTIFY_SOCKET; does nothing outside a unit. What fails here fails
 * silently. */
void notify_status(const char *text);
