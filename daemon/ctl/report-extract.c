/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's definition has its disks, MAC addresses and passwords in it, of which nothing is read
 * here; modules.alias is of 2 MiB, and the same on every machine with that kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ctl/report-extract.h"
#include "host/guest-scan.h"
#include "host/modprobe-scan.h"
#include "model/libvirt-domain.h"
#include "model/proxmox-guest.h"

#define PATH_SIZE (64 + VM_NAME_SIZE)

static int add_aliases(ReportArchive *archive, const Root *root, const Host *host) {
        char path[MODULES_ALIAS_PATH_SIZE];
        _cleanup_free_ char *text = NULL;
        int r;

        r = modules_alias_extract(root, host, path, &text);
        if (r == -ENOENT)
                return 0;
        return r < 0 ? r : report_archive_add_file(archive, path, text);
}

/* libvirt has a link to the definition of a guest that starts with the machine. */
static int add_libvirt(ReportArchive *archive, const GuestDefinition *guest) {
        _cleanup_free_ char *text = libvirt_domain_format(&guest->vm, &guest->roms);
        char path[PATH_SIZE], target[PATH_SIZE];
        int r;

        if (!text)
                return -ENOMEM;
        (void)snprintf(path, sizeof(path), LIBVIRT_GUESTS_DIR "/%s.xml", guest->vm.name);
        r = report_archive_add_file(archive, path, text);
        if (r < 0 || !guest->is_autostarted)
                return r;
        (void)snprintf(path, sizeof(path), LIBVIRT_GUESTS_DIR "/autostart/%s.xml", guest->vm.name);
        (void)snprintf(target, sizeof(target), "../%s.xml", guest->vm.name);
        return report_archive_add_link(archive, path, target);
}

static int add_proxmox(ReportArchive *archive, const GuestDefinition *guest) {
        _cleanup_free_ char *text =
                proxmox_guest_format(&guest->vm, &guest->roms, guest->bound, guest->is_autostarted);
        char path[PATH_SIZE];

        if (!text)
                return -ENOMEM;
        (void)snprintf(path, sizeof(path), PROXMOX_GUESTS_DIR "/%s.conf", guest->vm.name);
        return report_archive_add_file(archive, path, text);
}

/* No guest of Proxmox VE has a number below 100, and a number is nobody's name. */
static int add_unread(ReportArchive *archive, bool is_libvirt, size_t number) {
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof(path),
                       is_libvirt ? LIBVIRT_GUESTS_DIR "/0%zu.xml"
                                  : PROXMOX_GUESTS_DIR "/0%zu.conf",
                       number);
        return report_archive_add_file(archive, path, is_libvirt ? "" : "hostpci0:\n");
}

static int add_guests(ReportArchive *archive, const Root *root) {
        _cleanup_free_ GuestDefinitions *guests = calloc(1, sizeof(*guests));
        bool has_libvirt = faccessat(root->fd, LIBVIRT_GUESTS_DIR, F_OK, 0) == 0;
        int r = 0;

        if (!guests)
                return -ENOMEM;
        guest_scan(root, guests);
        for (size_t i = 0; i < guests->n && r >= 0; i++)
                r = guests->guests[i].hypervisor == GUEST_OF_LIBVIRT
                            ? add_libvirt(archive, &guests->guests[i])
                            : add_proxmox(archive, &guests->guests[i]);
        for (size_t i = 0; i < guests->n_unread && r >= 0; i++)
                r = add_unread(archive, has_libvirt, i + 1);
        return r;
}

int report_extract(ReportArchive *archive, const Root *root, const Host *host) {
        int r = add_aliases(archive, root, host);

        return r < 0 ? r : add_guests(archive, root);
}
