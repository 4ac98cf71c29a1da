/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lock of systemd-logind's (org.freedesktop.login1(5), Inhibit): what it is for does not happen
 * as long as its descriptor is open.
 */
#pragma once

#include "base/cleanup.h"

/**
 * Takes a block lock.
 *
 * @what: handle-power-key, sleep, ...
 * @why: for whoever is shown it
 *
 * Returns its descriptor, which the caller closes; or a negative errno, where logind cannot be
 * asked, too.
 */
_must_check_ int inhibitor_take(const char *what, const char *why);
