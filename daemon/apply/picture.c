/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /sys/class/drm/cardN-NAME/status, below the function.
 */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "picture.h"

#define PATIENCE_MSEC 3000
#define INTERVAL_MSEC 100

static bool card_is_connected(int drm_fd, const char *card) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(drm_fd, card);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                char path[sizeof(entry->d_name) + sizeof("/status")], status[32];

                if (strncmp(entry->d_name, "card", strlen("card")) != 0)
                        continue;
                (void)snprintf(path, sizeof(path), "%s/status", entry->d_name);
                if (file_read_line_at(dirfd(dir), path, status, sizeof(status)) >= 0 &&
                    strcmp(status, "connected") == 0)
                        return true;
        }
        return false;
}

bool picture_is_there(const Root *root, PciAddress address) {
        _cleanup_closedir_ DIR *dir = NULL;
        char path[96], text[PCI_ADDRESS_SIZE];
        const struct dirent *entry;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/drm",
                       pci_address_format(address, text));
        dir = file_open_dir_at(root->fd, path);
        while (dir && (entry = readdir(dir)))
                if (strncmp(entry->d_name, "card", strlen("card")) == 0 &&
                    card_is_connected(dirfd(dir), entry->d_name))
                        return true;
        return false;
}

static bool has_come(const Root *root, PciAddress address, int *waited) {
        while (!picture_is_there(root, address)) {
                if (*waited >= PATIENCE_MSEC)
                        return false;
                (void)poll(NULL, 0, INTERVAL_MSEC);
                *waited += INTERVAL_MSEC;
        }
        return true;
}

void picture_describe(const Root *root, const RunState *before, const Plan *plan, RunResult *ret) {
        int waited = 0;

        for (size_t i = 0; i < before->n_homes; i++) {
                const HomeFunction *home = &before->homes[i];
                size_t length = strlen(ret->text);
                char address[PCI_ADDRESS_SIZE];

                if (!home->had_picture || plan_has_vfio(plan, home->address) ||
                    has_come(root, home->address, &waited))
                        continue;
                (void)pci_address_format(home->address, address);
                (void)snprintf(ret->text + length, sizeof(ret->text) - length,
                               " %s had a screen connected when it left, and has none now.",
                               address);
                log_warning("%s had a screen connected when it left, and has none now.", address);
        }
}
