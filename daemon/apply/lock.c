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

int lock_take(const Root *root, bool wait, int *ret_fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
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
        *ret_fd = TAKE_FD(fd);
        return 0;
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
