/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "selinux-label.h"

#define IDENTIFIER                   \
        "abcdefghijklmnopqrstuvwxyz" \
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
        "0123456789_-."

int selinux_label_type(const char *label, char ret[static SELINUX_TYPE_SIZE]) {
        const char *type = label;
        size_t length;

        for (int i = 0; i < 2; i++) {
                type = strchr(type, ':');
                if (!type)
                        return -EBADMSG;
                type++;
        }
        length = strspn(type, IDENTIFIER);
        if (length == 0 || (type[length] != '\0' && type[length] != ':') ||
            parse_copy(ret, SELINUX_TYPE_SIZE, type, length) < 0)
                return -EBADMSG;
        return 0;
}
