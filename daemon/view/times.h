/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Points in time in JSON: ISO 8601 in UTC, whole seconds.
 */
#pragma once

#include "json.h"

/** Adds a time, CLOCK_REALTIME in seconds; null for 0. */
void time_add(json_object *object, const char *key, uint64_t seconds);
