/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model/switch-origin as a file, readable to root only: one for vfio-mode-apply, one for
 * vfio-moded, which can write in its own directory only.
 */
#pragma once

#include <stdbool.h>

#include "model/switch-origin.h"
#include "root.h"

#define APPLY_ORIGIN_PATH "run/vfio-mode/request"
#define SERVICE_ORIGIN_PATH "run/vfio-moded/request"
#define GUARD_ORIGIN_PATH "run/vfio-mode-guard/request" /* to the unit of the fallback */

/**
 * Leaves word for the switch to @mode that is about to be asked for.
 *
 * @path: APPLY_ORIGIN_PATH, SERVICE_ORIGIN_PATH or GUARD_ORIGIN_PATH
 * @holders: in place of the mode's own key; "": as in the mode
 *
 * Returns 0 or a negative errno; on failure nothing is left there.
 */
_must_check_ int origin_leave(const Root *root, const char *path, const char *mode,
                              const char *source, const char *reason, const char *holders);

/** Takes it away again where nobody took it. */
void origin_drop(const Root *root, const char *path);

/**
 * Takes the word left for the switch to @mode, and every other one that is too old; apply's own
 * goes first.
 *
 * Returns whether there was any; @ret is untouched where not.
 */
bool origin_take(const Root *root, const char *mode, SwitchOrigin *ret);

/**
 * Reads the one that the guard left, and leaves it there: how old it may be is for the caller to
 * say.
 *
 * Returns 0 or a negative errno, with @ret untouched.
 */
_must_check_ int origin_read_of_guard(const Root *root, SwitchOrigin *ret);
