/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would happen: vfio-mode-inspect@MODE.service is run, which has the rights to look, and what
 * it left is told. Calls for the same mode share a run that begins after they came.
 */
#pragma once

#include "request.h"

/** Answers with the plan's steps, or its refusal. */
void inspect_plan(Request *request);

/** Answers with the checks. */
void inspect_check(Request *request);

/** Drops what is waited for. */
void inspect_free(Service *service);
