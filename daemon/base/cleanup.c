/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one cleanup that is more than a call: a descriptor is closed on the way out of a failing
 * function, whose errno is still to be read. Knows nothing of the project.
 */
#include <errno.h>

#include "cleanup.h"

void closep(int *fd) {
        int saved_errno = errno;

        if (*fd >= 0)
                close(*fd);
        *fd = -1;
        errno = saved_errno;
}
