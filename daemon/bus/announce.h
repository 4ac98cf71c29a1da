/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ModeChanged and FellBack, each once, also for what happened while the service was not running:
 * the mode that was last told is kept in /run, and so are the fall and the boot.
 */
#pragma once

#include "service.h"

#define ANNOUNCED_PATH SERVICE_DIR "/announced"
#define FALL_ANNOUNCED_PATH SERVICE_DIR "/announced-fall" /* since when the mode is on */
#define BOOT_ANNOUNCED_PATH SERVICE_DIR "/announced-boot" /* its id */

/** Tells of a boot that did not go where it should, and of a new mode, unless a switch is under
 * way: what lies in between is nobody's mode. */
void announce(Service *service);
