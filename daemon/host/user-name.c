/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Not getpwuid(3), which may ask a directory service over the network that is about to go.
 */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>

#include "base/parse.h"
#include "user-name.h"

void user_name(const Root *root, char *user, size_t size) {
        _cleanup_fclose_ FILE *file = NULL;
        const struct passwd *entry;
        uint64_t id;
        int fd;

        if (parse_decimal(user, UINT32_MAX, &id) < 0)
                return;
        fd = openat(root->fd, "etc/passwd", O_RDONLY | O_CLOEXEC);
        file = fd < 0 ? NULL : fdopen(fd, "r");
        if (!file) {
                closep(&fd);
                return;
        }
        while ((entry = fgetpwent(file)))
                if (entry->pw_uid == id) {
                        (void)snprintf(user, size, "%s", entry->pw_name);
                        return;
                }
}
