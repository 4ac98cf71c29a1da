/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One switch at a time. A POSIX record lock: unlike flock(2) it is not inherited by children, so a
 * writer that is stuck in the kernel does not hold it for ever.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"
#include "model/refusal.h"

/**
 * Takes the lock, making /run/vfio-mode first where it is missing.
 *
 * @wait: until the switch that is under way has ended
 * @ret_fd: the lock is held until this is closed
 *
 * Returns 0; -EAGAIN where another process has it; else a negative errno.
 */
_must_check_ int lock_take(const Root *root, bool wait, int *ret_fd);

/**
 * Waits until nobody has the lock, without taking it: a switch that does not wait is not refused
 * for that.
 *
 * @ret_fd: until this is closed, which is to be soon, who takes the lock is kept waiting
 *
 * Returns 0; -ENOENT where nobody ever had it; else a negative errno.
 */
_must_check_ int lock_await_end(const Root *root, int *ret_fd);

/**
 * From now on the holder has units of modes stopped, until it lets go of the lock: who is asked to
 * stop by it is not to wait for it. Said by giving back a byte of the lock, which a full /run
 * cannot refuse.
 *
 * Returns 0; else the negative error of fcntl(2), and who is stopped would wait for the holder.
 */
_must_check_ int lock_begin_stopping(int fd);

/**
 * Whether the unit of a mode that is being stopped is stopped by the lock's holder, who is a switch
 * on its way elsewhere.
 *
 * @wait: where the lock is held for anything else (a ROM is being read, a switch may still be
 * refused), until it is not
 *
 * Returns 1, 0, or a negative errno: -EAGAIN where it would have to be waited for.
 */
_must_check_ int lock_is_stopping_us(const Root *root, bool wait);

/** Says who has the lock that could not be taken: a switch, or the reading of a ROM. Returns
 * REFUSAL_ALREADY_SWITCHING. */
RefusalKind lock_refuse(const Root *root, Refusal *ret);
