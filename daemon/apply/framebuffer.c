/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each of its drivers (efifb, simpledrm, ...) goes by the platform device's name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
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

static bool is_bound(const Root *root, const char *name) {
        char path[PATH_SIZE], driver[CONFIG_DRIVER_SIZE];

        (void)snprintf(path, sizeof(path), "sys/bus/platform/devices/%s/driver", name);
        return file_read_link_name_at(root->fd, path, driver, sizeof(driver)) >= 0;
}

/* What has its /dev/fbN open keeps the memory until it closes that, and BOOTFB is the device's, not
 * its driver's. */
int framebuffer_release(Writer *writer, PciAddress address, const char *name) {
        char text[PCI_ADDRESS_SIZE];
        int r;

        r = write_to_driver(writer, RUN_WRITE_RELEASE, address, name);
        if ((r == -ENODEV || r == -ENOENT) && !is_bound(writer->root, name))
                r = 0;
        if (r >= 0 && firmware_framebuffer_claims(writer->root, address))
                log_warning("Memory of %s is still claimed for the firmware's framebuffer, and a "
                            "guest may not get it; 'initcall_blacklist=sysfb_init' on the kernel "
                            "command line keeps that off.",
                            pci_address_format(address, text));
        return r;
}

void framebuffer_return(Writer *writer, PciAddress address, const char *name) {
        char text[PCI_ADDRESS_SIZE];
        int r;

        if (is_bound(writer->root, name))
                return;
        r = write_to_driver(writer, RUN_WRITE_RETURN, address, name);
        if (r < 0 && !writer->is_stuck)
                log_warning_errno(r, "The firmware's %s cannot be given back to %s: %m", name,
                                  pci_address_format(address, text));
}

void framebuffer_return_if_dark(Writer *writer, PciAddress address, const char *name) {
        char driver[CONFIG_DRIVER_SIZE];

        if (sysfs_read_driver(writer->root, address, driver) >= 0 && driver[0] == '\0')
                framebuffer_return(writer, address, name);
}
