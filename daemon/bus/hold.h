/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Release: what was chosen does not stand against virtual machines any more.
 */
#pragma once

#include "request.h"

/** Release(); answers the request. */
void hold_method_release(Request *request);
