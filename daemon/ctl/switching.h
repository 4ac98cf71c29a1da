/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One switch, asked of the service and followed to its end, also where the service goes away
 * meanwhile: the switch is not the service's, and goes on.
 */
#pragma once

#include "ctl/arguments.h"
#include "ctl/bus.h"

typedef struct Switching {
        const Arguments *arguments; /**< borrowed */
        Bus *bus;
        json_object *before; /**< the machine as the service describes it */
        json_object *after;  /**< the same at the end; as before where that cannot be told; NULL
                                where it did not begin */
        BusJob end;
        BusFall fall; /**< where it led, half-way; `to` is "" where it led nowhere */
        BusError error;
} Switching;

/**
 * Connects to the service of the machine that the arguments name, and describes that.
 *
 * @ret: ended by switching_done(), on failure too
 *
 * Returns 0; else a negative errno, with `error` filled.
 */
_must_check_ int switching_open(const Arguments *arguments, Switching *ret);

/**
 * Asks for the switch, with a password where a person is there to give one, and waits for its end.
 *
 * Returns 1 where it has ended, or was refused before it began, as `end` says; 0 where the call
 * failed otherwise, as `error` says; -EINTR as bus_wait(); -ETIMEDOUT where it goes on after half
 * an hour; -ENODATA where it cannot be told how it ended.
 */
_must_check_ int switching_do(Switching *s, const char *mode, const BusOptions *options);

/** Waits for where a switch that was left half-way leads: the machine goes to the fallback mode by
 * itself. Returns 1, at once where it was not; or -EINTR as bus_wait(). */
_must_check_ int switching_await_fall(Switching *s);

/** Whether the machine is another one at the end than it was before. */
bool switching_has_changed(const Switching *s);

/** How many steps were taken. */
int64_t switching_steps(const Switching *s);

/** Disconnects; for `_cleanup_(switching_done)`. */
void switching_done(Switching *s);
