/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sees that something has changed, whoever changed it: the state in /run, the configuration, the
 * boot environment, the boot menu. What sysfs says has no such signal; it is looked at with each
 * question.
 */
#pragma once

#include "service.h"

/** Watches what is not watched yet and is there. To be called again after each look. */
void watch_update(Service *service);

/** Ends it. */
void watch_free(Service *service);
