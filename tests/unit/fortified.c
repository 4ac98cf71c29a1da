/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With _FORTIFY_SOURCE the compiler calls read(2) and pread(2) by these names where it knows how
 * large the buffer is. A test that plays the one plays the other as well, so that what it shows is
 * true of a release, too.
 */
#undef _FORTIFY_SOURCE
#include <stdlib.h>
#include <unistd.h>

/* Without _FORTIFY_SOURCE no header declares them. */
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off_t offset, size_t room);

ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room) {
        if (size > room)
                abort();
        return read(fd, buffer, size);
}

ssize_t __pread64_chk(int fd, void *buffer, size_t size, off_t offset, size_t room) {
        if (size > room)
                abort();
        return pread(fd, buffer, size, offset);
}
