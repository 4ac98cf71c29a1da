/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends the login sessions that a plan names, through logind.
 */
#pragma once

#include "model/plan.h"

/** Asks logind to end a session; one that has ended by itself is no error. */
void end_sessions_ask(const PlanStop *stop);

/**
 * Waits for the end of all sessions of the plan that were asked to end: 10 s, then their processes
 * are killed, and 5 s more. Where a user has no other session his user manager is told to stop:
 * logind would do that some seconds later.
 *
 * Returns REFUSAL_NONE; REFUSAL_BUSY where a session does not end; REFUSAL_FAILED where it cannot
 * be waited for.
 */
RefusalKind end_sessions_wait(const Plan *plan, Refusal *refusal);
