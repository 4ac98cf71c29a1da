/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a press of the power button is to bring the screen back from a mode. Pure.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "host.h"

/** Whether the mode takes a boot_vga device that the fallback mode leaves to the host. */
bool rescue_takes_screen(const Config *config, const ConfigMode *mode, const Host *host);

/** Whether it is: where `rescue` says so; unset, where the mode takes the screen. */
bool rescue_is_wanted(const Config *config, const ConfigMode *mode, const Host *host);
