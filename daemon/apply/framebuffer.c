/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each of its drivers (efifb, simpledrm, ...) goes by the platform device's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "framebuffer.h"
#include "host/firmware-framebuffer.h"
#include "sysfs.h"

#define PATH_SIZE 192

static int write_to_driver(Writer *writer, RunWriteKind kind, PciAddress address,
                           const char *name) {
        const RunWrite what = run_write(kind, address, name);
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof(path), "sys/bus/platform/drivers/%.*s/%s",
                       (int)strcspn(name, "."), name,
                       kind == RUN_WRITE_RELEASE ? "unbind" : "bind");
        return writer_write(writer, &what, path, name);
}

/* What has its /dev/fbN open keeps the memory until it closes that, and BOOTFB is the device's, not
 * its driver's. */
int framebuffer_release(Writer *writer, PciAddress address, const char *name) {
        char text[PCI_ADDRESS_SIZE];
        int r;

        r = write_to_driver(writer, RUN_WRITE_RELEASE, address, name);
        if ((r == -ENODEV || r == -ENOENT) && !firmware_framebuffer_is_bound(writer->root, name))
                r = 0;
        if (r >= 0 && firmware_framebuffer_claims(writer->root, address))
                log_warning("Memory of %s is still claimed for the firmware's framebuffer, and a "
                            "guest may not get it; 'initcall_blacklist=sysfb_init' on the kernel "
                            "command line keeps that off.",
                            pci_address_format(address, text));
        return r;
}

static bool exists(const Root *root, const char *name) {
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof(path), "sys/bus/platform/devices/%s", name);
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

/* A driver that draws takes the platform device away for good (6.1, 6.12: aperture.c), also where
 * it is the one that had drawn nothing before. */
void framebuffer_return(Writer *writer, PciAddress address, const char *name,
                        const char *home_driver) {
        char text[PCI_ADDRESS_SIZE], driver[CONFIG_DRIVER_SIZE];
        int r;

        if (!exists(writer->root, name) || firmware_framebuffer_is_bound(writer->root, name) ||
            sysfs_read_driver(writer->root, address, driver) < 0 ||
            (driver[0] != '\0' && strcmp(driver, home_driver) != 0))
                return;
        r = write_to_driver(writer, RUN_WRITE_RETURN, address, name);
        if (r < 0 && !writer->is_stuck)
                log_warning_errno(r, "The firmware's %s cannot be given back to %s: %m", name,
                                  pci_address_format(address, text));
}
