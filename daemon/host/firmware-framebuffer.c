/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Since some kernel after 6.1 the platform device lies below its display (6.12 does so); before, it
 * is nobody's, and /proc/iomem shows whose memory its driver has claimed. The nesting of that file
 * is for everybody to read, the addresses are not.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "firmware-framebuffer.h"
#include "proc-tables.h"

#define PLATFORM_DEVICES "sys/bus/platform/devices"
#define IOMEM_MAX (1024 * 1024)
#define PATH_SIZE 128

/* --- memory --- */

bool firmware_framebuffer_is_claim(const char *name) {
        static const char *const names[] = { "efifb",  "vesafb",  "simplefb", "simpledrm",
                                             "efidrm", "vesadrm", "BOOTFB" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

bool firmware_framebuffer_claims(const Root *root, PciAddress address) {
        _cleanup_free_ char *text = NULL;
        char wanted[PCI_ADDRESS_SIZE], *cursor, *line;
        size_t bar_depth = SIZE_MAX; /* of the function's BAR that we are in */

        if (file_read_alloc_at(root->fd, "proc/iomem", IOMEM_MAX, &text) < 0)
                return false;
        (void)pci_address_format(address, wanted);
        cursor = text;
        while ((line = strsep(&cursor, "\n"))) {
                size_t depth = strspn(line, " ");
                const char *name = strstr(line, " : ");

                if (!name)
                        continue;
                name += strlen(" : ");
                if (depth > bar_depth && firmware_framebuffer_is_claim(name))
                        return true;
                if (depth <= bar_depth)
                        bar_depth = strcmp(name, wanted) == 0 ? depth : SIZE_MAX;
        }
        return false;
}

/* --- the platform device --- */

bool firmware_framebuffer_is_bound(const Root *root, const char *name) {
        char path[PATH_SIZE], driver[CONFIG_DRIVER_SIZE];

        (void)snprintf(path, sizeof(path), PLATFORM_DEVICES "/%s/driver", name);
        return file_read_link_name_at(root->fd, path, driver, sizeof(driver)) >= 0;
}

/* Whether it lies below a PCI function, and below which. */
static bool find_parent(const Root *root, const char *name, PciAddress *ret) {
        char path[PATH_SIZE], parent[32];

        (void)snprintf(path, sizeof(path), PLATFORM_DEVICES "/%s", name);
        return file_read_link_parent_at(root->fd, path, parent, sizeof(parent)) >= 0 &&
               pci_address_parse(parent, ret) >= 0;
}

static bool is_on(const Root *root, const char *name, PciAddress address) {
        PciAddress parent;

        if (find_parent(root, name, &parent))
                return pci_address_compare(parent, address) == 0;
        return firmware_framebuffer_claims(root, address);
}

static bool is_framebuffer(const char *name) {
        return strstr(name, "-framebuffer.") && config_driver_is_valid(name);
}

int firmware_framebuffer_find(const Root *root, PciAddress address,
                              char ret[static CONFIG_DRIVER_SIZE]) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, PLATFORM_DEVICES);
        const struct dirent *entry;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(dir))) {
                const char *name = entry->d_name;

                if (!is_framebuffer(name) || !firmware_framebuffer_is_bound(root, name) ||
                    !is_on(root, name, address))
                        continue;
                (void)snprintf(ret, CONFIG_DRIVER_SIZE, "%s", name);
                return 1;
        }
        return 0;
}

/* --- whose it is --- */

/* Two drivers may go by one name among those of the platform; what they call their memory differs.
 * BOOTFB is the device's own. */
static bool find_driver(const Root *root, char ret[static CONFIG_DRIVER_SIZE]) {
        _cleanup_free_ char *text = NULL;
        const char *cursor;
        unsigned depth;

        if (file_read_alloc_at(root->fd, "proc/iomem", IOMEM_MAX, &text) < 0)
                return false;
        cursor = text;
        while (proc_iomem_next(&cursor, &depth, ret, CONFIG_DRIVER_SIZE))
                if (firmware_framebuffer_is_claim(ret) && strcmp(ret, "BOOTFB") != 0)
                        return true;
        return false;
}

void firmware_framebuffer_look(const Root *root, FirmwareScreen *ret) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, PLATFORM_DEVICES);
        const struct dirent *entry;

        *ret = (FirmwareScreen){ 0 };
        while (dir && (entry = readdir(dir))) {
                FirmwareScreen seen = { 0 };

                if (!is_framebuffer(entry->d_name) ||
                    (firmware_framebuffer_is_bound(root, entry->d_name) &&
                     !find_driver(root, seen.driver)))
                        continue;
                (void)snprintf(seen.device, sizeof(seen.device), "%s", entry->d_name);
                *ret = seen;
                return;
        }
}
