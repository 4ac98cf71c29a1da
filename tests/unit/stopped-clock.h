/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock that stands still, so that nothing comes too late on a busy machine, for the tests that
 * `wrapped` in meson.build gives it: it is in the place of now_usec(), ppoll(2) and poll(2). Who
 * waits for a process waits until that has answered or ended, however long it takes; or until it
 * sleeps and has done neither, which nothing but the test would change: then all the time that was
 * given is over at once, and the clock goes on by it. So it shows how long was waited in vain.
 */
#pragma once

/** From now on, and in this process only, such a wait goes on: for one that is to be killed while
 * it waits. */
void stopped_clock_wait_on(void);
