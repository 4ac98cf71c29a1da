/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "connectors.h"

#define DRM_DIR "sys/class/drm"

static bool is_connected(const Root *root, const char *connector) {
        char path[sizeof(DRM_DIR) + NAME_MAX + sizeof("/status")], status[32];

        (void)snprintf(path, sizeof(path), DRM_DIR "/%s/status", connector);
        return file_read_line_at(root->fd, path, status, sizeof(status)) > 0 &&
               strcmp(status, "connected") == 0;
}

/* ../../devices/pci0000:00/0000:00:1c.0/0000:01:00.0/drm/card0/card0-HDMI-A-1 */
static bool is_of(const Root *root, const char *connector, const PciAddress *functions, size_t n) {
        char path[sizeof(DRM_DIR) + NAME_MAX + 1], target[PATH_MAX], address[PCI_ADDRESS_SIZE];
        ssize_t length;

        (void)snprintf(path, sizeof(path), DRM_DIR "/%s", connector);
        length = n > 0 ? readlinkat(root->fd, path, target, sizeof(target) - 1) : 0;
        target[length > 0 ? length : 0] = '\0';
        for (size_t i = 0; i < n; i++)
                if (strstr(target, pci_address_format(functions[i], address)))
                        return true;
        return false;
}

/* card0-HDMI-A-1, beside card0 and renderD128. */
bool connectors_have_screen(const Root *root, const PciAddress *except, size_t n_except) {
        int fd = openat(root->fd, DRM_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        bool is_there = false;

        if (!directory) {
                closep(&fd);
                return false;
        }
        while (!is_there && (entry = readdir(directory)))
                is_there = strncmp(entry->d_name, "card", 4) == 0 && strchr(entry->d_name, '-') &&
                           is_connected(root, entry->d_name) &&
                           !is_of(root, entry->d_name, except, n_except);
        (void)closedir(directory);
        return is_there;
}
