/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds out which ways back there are from a mode, on this machine as it is now. Reads only, and
 * asks the service manager of the live one.
 */
#pragma once

#include "host/root.h"
#include "model/config.h"
#include "model/host.h"
#include "model/ways-back.h"
#include "next-boot.h"

/**
 * Judges all ways back from a mode other than the fallback mode.
 *
 * @host: scanned for the devices of the configuration
 * @next: as next_boot_read() left it
 *
 * Returns 0; -ENODEV where a device of the mode is not as it should be; -ENOMEM; or the error of
 * looking for what the network hangs below.
 */
_must_check_ int ways_back_find(const Root *root, const Config *config, const ConfigMode *mode,
                                const Host *host, const NextBoot *next,
                                WayBack ret[static _WAY_BACK_MAX]);
