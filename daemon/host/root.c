/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens the root directory. Everything else in host/ and apply/ starts from its descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "root.h"

int root_open(const char *path, Root *ret) {
        bool is_live = !path || strcmp(path, "/") == 0;
        int fd;

        fd = open(is_live ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = (Root){ .fd = fd, .is_live = is_live };
        return 0;
}

void root_close(Root *root) {
        closep(&root->fd);
        root->fd = -1;
}
