/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <time.h>

#include "clock.h"

static uint64_t read_clock(clockid_t clock) {
        struct timespec now = { 0 };

        (void)clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t now_usec(void) {
        return read_clock(CLOCK_MONOTONIC);
}

uint64_t now_real_usec(void) {
        return read_clock(CLOCK_REALTIME);
}
