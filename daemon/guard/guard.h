/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches while the GPU is away: whether a VM comes in time, and what follows when it ends.
 */
#pragma once

#include "base/cleanup.h"
#include "host/root.h"

/**
 * Watches the mode until there is nothing to watch for any more, and has the machine go to the
 * fallback mode where its keys say so. Goes on where the guard before it was killed.
 *
 * Returns 0, also where the machine is in another mode; else a negative errno, which was logged.
 */
_must_check_ int guard_run(const Root *root, const char *mode);
