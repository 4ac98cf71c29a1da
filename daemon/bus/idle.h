/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going away without losing a call: the name is given back first, what came until then is still
 * answered, and only when the bus has confirmed that nothing more can come the process ends.
 */
#pragma once

#include "service.h"

/** Starts the clock. Returns 0 or a negative errno. */
_must_check_ int idle_start(Service *service);

/** Somebody called, or was answered: the time begins anew. */
void idle_touch(Service *service);

/** Begins to go away, whatever is under way: a switch goes on without us. */
void idle_leave(Service *service);
