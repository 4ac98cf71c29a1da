/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks that the host has in use. */
#pragma once

#include "needs-walk.h"

/**
 * Adds a need for every disk with a mounted file system or active swap, those that the running
 * system cannot be without first.
 *
 * Returns 0; -ENOSPC; else the error of reading.
 */
_must_check_ int needs_scan_storage(NeedsWalk *walk);
