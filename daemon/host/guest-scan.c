/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt: /etc/libvirt/qemu/NAME.xml, and autostart/NAME.xml links to those that start with the
 * machine (libvirt: src/qemu/qemu_conf.c). Proxmox VE: qm.conf(5).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "guest-scan.h"
#include "model/libvirt-domain.h"

#define PROXMOX_MAPPING_PATH "etc/pve/mapping/pci.cfg"
#define NODE_PATH "etc/hostname"
#define NODE_SIZE 256
#define PATH_SIZE (64 + NODE_SIZE)
#define DIGITS "0123456789"

/* --- Proxmox VE --- */

/* A node is called as the host without its domain. */
static int find_node(const Root *root, char node[static NODE_SIZE]) {
        struct utsname name;

        if (!root->is_live) {
                ssize_t n = file_read_line_at(root->fd, NODE_PATH, node, NODE_SIZE);

                if (n < 0)
                        return (int)n;
        } else if (uname(&name) < 0) {
                return -errno;
        } else {
                (void)snprintf(node, NODE_SIZE, "%s", name.nodename);
        }
        node[strcspn(node, ".")] = '\0';
        return 0;
}

static int add_mappings(const Root *root, ProxmoxGuest *guest, Vm *vm) {
        _cleanup_free_ char *text = NULL;
        char node[NODE_SIZE];
        ssize_t n;
        int r;

        r = find_node(root, node);
        if (r < 0)
                return r;
        n = file_read_alloc_at(root->fd, PROXMOX_MAPPING_PATH, PROXMOX_GUEST_SIZE_MAX, &text);
        if (n < 0)
                return (int)n;
        for (size_t i = 0; r >= 0 && i < guest->n_mappings; i++)
                r = proxmox_mapping_parse(text, &guest->mappings[i], node, vm, guest);
        return r;
}

int guest_read_proxmox(const Root *root, const char *id, Vm *vm, ProxmoxGuest *ret) {
        _cleanup_free_ char *text = NULL;
        char path[PATH_SIZE];
        ssize_t n;
        int r;

        (void)snprintf(path, sizeof(path), PROXMOX_GUESTS_DIR "/%s.conf", id);
        n = file_read_alloc_at(root->fd, path, PROXMOX_GUEST_SIZE_MAX, &text);
        if (n < 0)
                return (int)n;
        r = proxmox_guest_parse(text, vm, ret);
        if (r < 0 || ret->n_mappings == 0)
                return r;
        return add_mappings(root, ret, vm);
}

static int read_proxmox(const Root *root, GuestDefinition *guest) {
        ProxmoxGuest found;
        int r;

        r = guest_read_proxmox(root, guest->vm.name, &guest->vm, &found);
        if (r < 0)
                return r;
        guest->is_autostarted = found.onboot;
        (void)snprintf(guest->hookscript, sizeof(guest->hookscript), "%s", found.hookscript);
        guest->roms = found.roms;
        guest->bound = found.bound;
        return 0;
}

/* --- libvirt --- */

static int read_libvirt(const Root *root, GuestDefinition *guest) {
        _cleanup_free_ char *xml = NULL;
        char path[PATH_SIZE];
        ssize_t n;

        (void)snprintf(path, sizeof(path), LIBVIRT_GUESTS_DIR "/%s.xml", guest->vm.name);
        n = file_read_alloc_at(root->fd, path, LIBVIRT_DOMAIN_SIZE_MAX, &xml);
        if (n < 0)
                return (int)n;
        (void)snprintf(path, sizeof(path), LIBVIRT_GUESTS_DIR "/autostart/%s.xml", guest->vm.name);
        guest->is_autostarted = faccessat(root->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        return libvirt_domain_parse(xml, (size_t)n, &guest->vm, &guest->roms);
}

/* --- both --- */

typedef struct Hypervisor {
        const char *directory, *suffix;
        int (*read)(const Root *root, GuestDefinition *guest);
} Hypervisor;

static const Hypervisor hypervisors[_GUEST_HYPERVISOR_MAX] = {
        [GUEST_OF_LIBVIRT] = { LIBVIRT_GUESTS_DIR, ".xml", read_libvirt },
        [GUEST_OF_PROXMOX] = { PROXMOX_GUESTS_DIR, ".conf", read_proxmox },
};

/* Takes the suffix off. Returns whether it is a guest's file. */
static bool take_name(const char *file, GuestHypervisor hypervisor,
                      char name[static VM_NAME_SIZE]) {
        const char *suffix = hypervisors[hypervisor].suffix;
        size_t length = strlen(file), n = strlen(suffix);

        if (length <= n || length - n >= VM_NAME_SIZE || strcmp(file + length - n, suffix) != 0)
                return false;
        (void)memcpy(name, file, length - n);
        name[length - n] = '\0';
        return hypervisor != GUEST_OF_PROXMOX || name[strspn(name, DIGITS)] == '\0';
}

static void add(const Root *root, const char *file, GuestHypervisor hypervisor,
                GuestDefinitions *ret) {
        GuestDefinition *guest = &ret->guests[ret->n];

        if (ret->n == GUEST_DEFINITIONS_MAX) {
                ret->n_unread++;
                return;
        }
        (void)memset(guest, 0, sizeof(*guest));
        guest->hypervisor = hypervisor;
        if (!take_name(file, hypervisor, guest->vm.name))
                return;
        if (hypervisors[hypervisor].read(root, guest) < 0)
                ret->n_unread++;
        else if (guest->vm.n_addresses > 0)
                ret->n++;
}

static int compare(const void *a, const void *b) {
        const GuestDefinition *left = a, *right = b;

        return left->hypervisor != right->hypervisor
                       ? (int)left->hypervisor - (int)right->hypervisor
                       : strcmp(left->vm.name, right->vm.name);
}

static const struct dirent *read_next(DIR *dir, GuestDefinitions *ret) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        ret->dir_is_unread |= !entry && errno != 0;
        return entry;
}

void guest_scan(const Root *root, GuestDefinitions *ret) {
        ret->n = ret->n_unread = 0;
        ret->dir_is_unread = false;
        for (GuestHypervisor i = 0; i < _GUEST_HYPERVISOR_MAX; i++) {
                _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, hypervisors[i].directory);
                const struct dirent *entry;

                /* /etc/pve is a FUSE file system, whose daemon may be gone (ENOTCONN). */
                ret->dir_is_unread |= !dir && errno != ENOENT;
                while (dir && (entry = read_next(dir, ret)))
                        if (entry->d_name[0] != '.')
                                add(root, entry->d_name, i, ret);
        }
        qsort(ret->guests, ret->n, sizeof(ret->guests[0]), compare);
}
