/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "initramfs.h"
#include "sysfs.h"
#include "writer.h"

#define PCI_DEVICES "sys/bus/pci/devices"

void boot_read_cmdline(const Root *root, BootChoiceInput *ret) {
        char cmdline[KERNEL_CMDLINE_MAX] = "";
        ssize_t n;

        n = file_read_line_at(root->fd, "proc/cmdline", cmdline, sizeof(cmdline));
        if (n < 0) {
                log_warning_errno((int)n,
                                  "/proc/cmdline cannot be read, going by default-mode: %m");
                cmdline[0] = '\0';
        }
        kernel_cmdline_request(cmdline, &ret->request);
        if (boot_marker_find(cmdline, &ret->marker) < 0)
                log_warning("The marker vfio_mode.boot= on the kernel command line is malformed.");
}

/*
 * Graphics and sound only. A disk, a network card or a keyboard's controller may be what the root
 * file system comes by, which is not known there; the boot unit looks at that, and takes those.
 */
static bool is_to_be_kept(const Function *function) {
        return function && function->driver[0] == '\0' && function->driver_override[0] == '\0' &&
               (function_is_display(function) ||
                function->class_code >> 16 == PCI_CLASS_BASE_MULTIMEDIA);
}

size_t initramfs_keep(const Root *root, const Host *host, const Plan *plan) {
        _cleanup_(writer_close) Writer writer = writer_new(root, now_usec());
        size_t n_kept = 0;

        for (size_t i = 0; i < plan->n_vfio; i++) {
                char address[PCI_ADDRESS_SIZE];
                int r;

                if (!is_to_be_kept(host_find(host, plan->vfio[i])))
                        continue;
                (void)pci_address_format(plan->vfio[i], address);
                r = sysfs_set_override(&writer, plan->vfio[i], INITRAMFS_OVERRIDE);
                if (r < 0)
                        log_warning_errno(r, "%s cannot be kept from host drivers: %m", address);
                else
                        n_kept++;
        }
        return n_kept;
}

static bool is_kept(const Root *root, const char *address) {
        char path[128], override[CONFIG_DRIVER_SIZE];

        (void)snprintf(path, sizeof(path), PCI_DEVICES "/%.16s/driver_override", address);
        return file_read_line_at(root->fd, path, override, sizeof(override)) >= 0 &&
               strcmp(override, INITRAMFS_OVERRIDE) == 0;
}

static void let_go(Writer *writer, PciAddress address) {
        char text[PCI_ADDRESS_SIZE];
        int r;

        r = sysfs_set_override(writer, address, "");
        /* Nothing binds where the driver is not loaded yet: udev's coldplug sees to that. */
        if (r >= 0)
                r = sysfs_probe(writer, address);
        (void)pci_address_format(address, text);
        if (r < 0)
                log_error_errno(
                        r, "%s, which the initramfs kept from host drivers, cannot be let go: %m",
                        text);
        else
                log_notice(
                        "%s, which the initramfs kept from host drivers, is not this mode's; it was "
                        "let go.",
                        text);
}

void initramfs_let_go(const Root *root, uint64_t since) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, PCI_DEVICES);
        _cleanup_(writer_close) Writer writer = writer_new(root, since);
        const struct dirent *entry;
        PciAddress address;

        writer_begin_return(&writer);
        while (dir && !writer.is_stuck && (entry = readdir(dir)))
                if (pci_address_parse(entry->d_name, &address) >= 0 && is_kept(root, entry->d_name))
                        let_go(&writer, address);
}
