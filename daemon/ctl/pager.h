/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends what is printed to stdout through a pager. Knows nothing of what is printed.
 */
#pragma once

#include <sys/types.h>

/** Starts the pager and points stdout to it. Returns its process; 0 where there is none. */
pid_t pager_open(void);

/** Ends the output and waits until the person has read it. */
void pager_close(pid_t pager);
