/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.freedesktop.LogControl1, for `systemctl service-log-level vfio-moded`.
 */
#pragma once

#include "service.h"

/** Puts the object on the bus. Returns 0 or a negative errno. */
_must_check_ int log_control_export(Service *service);
