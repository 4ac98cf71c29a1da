/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * direct OVERRIDE {ADDRESS FROM TO}...: the least that moves PCI functions from one driver to
 * another: writes driver_override, unbind and bind, looks at nothing and undoes nothing. What
 * vfio-mode-apply is compared with; an OVERRIDE of "" takes it away.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_attribute(const char *folder, const char *name, const char *attribute,
                           const char *text) {
        char path[256];
        int fd, r;

        (void)snprintf(path, sizeof(path), "/sys/bus/pci/%s/%s/%s", folder, name, attribute);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        r = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
        if (r < 0)
                perror(path);
        if (fd >= 0)
                (void)close(fd);
        return r;
}

int main(int argc, char *argv[]) {
        char override[64];

        if (argc < 5 || argc % 3 != 2) {
                (void)fputs("usage: direct OVERRIDE {ADDRESS FROM TO}...\n", stderr);
                return 2;
        }
        /* A write of nothing would change nothing. */
        (void)snprintf(override, sizeof(override), "%s\n", argv[1]);
        for (int i = 2; i < argc; i += 3)
                if (write_attribute("devices", argv[i], "driver_override", override) < 0)
                        return 1;
        for (int i = 2; i < argc; i += 3)
                if (write_attribute("drivers", argv[i + 1], "unbind", argv[i]) < 0)
                        return 1;
        for (int i = 2; i < argc; i += 3)
                if (write_attribute("drivers", argv[i + 2], "bind", argv[i]) < 0)
                        return 1;
        return 0;
}
