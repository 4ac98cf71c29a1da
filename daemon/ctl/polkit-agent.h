/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * polkit's agent for terminals, which asks for the password where an action takes one.
 */
#pragma once

#include <sys/types.h>

#include "ctl/arguments.h"

/** Starts the agent where a person is there to be asked, and waits until it is ready. @ret: its
 * process; 0 where there is none. */
void polkit_agent_open(const Arguments *arguments, pid_t *ret);

/** Ends the agent; for `_cleanup_(polkit_agent_closep)`. */
void polkit_agent_closep(const pid_t *agent);
