/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock file is never removed: a lock on an unlinked file would be no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "host/state-files.h"
#include "lock.h"
#include "state-write.h"

#define HELD_BYTE 0
#define STOPPING_BYTE 1 /* free while the holder stops units, and free with the rest */
#define END_BYTE 2      /* who awaits the end has it for a moment, and nobody is refused for that */

static struct flock lock_of(short type, off_t byte) {
        return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
}

int lock_take(const Root *root, bool wait, int *ret_fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = END_BYTE },
                     end = lock_of(F_WRLCK, END_BYTE);
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(root->fd, LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 && errno == ENOENT) {
                r = run_dir_make(root);
                if (r < 0)
                        return r;
                fd = openat(root->fd, LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        }
        if (fd < 0)
                return -errno;
        if (fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock) < 0)
                return errno == EACCES ? -EAGAIN : -errno;
        if (fcntl(fd, F_SETLKW, &end) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int lock_await_end(const Root *root, int *ret_fd) {
        struct flock end = lock_of(F_RDLCK, END_BYTE);
        _cleanup_close_ int fd = openat(root->fd, LOCK_PATH, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || fcntl(fd, F_SETLKW, &end) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int lock_begin_stopping(int fd) {
        struct flock lock = lock_of(F_UNLCK, STOPPING_BYTE);

        return fcntl(fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

int lock_is_stopping_us(const Root *root, bool wait) {
        struct flock stopping = lock_of(F_RDLCK, STOPPING_BYTE), held = lock_of(F_WRLCK, HELD_BYTE);
        _cleanup_close_ int fd = openat(root->fd, LOCK_PATH, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        /* With that byte ours nobody else gets the lock between the two looks. */
        if (fcntl(fd, wait ? F_SETLKW : F_SETLK, &stopping) < 0)
                return errno == EACCES ? -EAGAIN : -errno;
        if (fcntl(fd, F_GETLK, &held) < 0)
                return -errno;
        return held.l_type != F_UNLCK;
}

RefusalKind lock_refuse(const Root *root, Refusal *ret) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));
        char address[PCI_ADDRESS_SIZE];

        if (undo && undo_read(root, undo) >= 0 && run_state_is_of_rom(undo))
                return refusal_set(ret, REFUSAL_ALREADY_SWITCHING,
                                   "The ROM of %s is being read, which takes a minute at most.",
                                   pci_address_format(undo->rom.address, address));
        return refusal_set(ret, REFUSAL_ALREADY_SWITCHING, "Another switch is under way.");
}
