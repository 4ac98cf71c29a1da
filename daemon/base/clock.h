/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What time it is, in microseconds.
 */
#pragma once

#include <stdint.h>

/** CLOCK_MONOTONIC: for what lasts, and for the order of events of one boot. */
uint64_t now_usec(void);

/** CLOCK_REALTIME: for what a person is told, and what outlives a boot. */
uint64_t now_real_usec(void);
