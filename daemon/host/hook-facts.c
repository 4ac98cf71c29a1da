/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt looks for hooks when it starts and when it is reloaded, and where it has found none it
 * does not look again (libvirt: src/util/virhook.c, virHookInitialize).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "apparmor-scan.h"
#include "base/clock.h"
#include "base/file.h"
#include "hook-facts.h"
#include "units.h"

#define LIBVIRT_DIR "etc/libvirt/qemu"
#define HOOKS_DIR "etc/libvirt/hooks/qemu.d"
#define OLD_HOOK "etc/libvirt/hooks/qemu"
#define STORAGES_PATH "etc/pve/storage.cfg"
#define OURS "vfio-modectl"
#define HOOK_SIZE_MAX (256 * 1024)
#define HOOKS_MAX 256
#define LABEL_SIZE 256
#define VIRTQEMUD_SOCKET "etc/systemd/system/sockets.target.wants/virtqemud.socket"
#define SELINUX_BOOLEAN "sys/fs/selinux/booleans/virt_hooks_unconfined"

static bool exists(const Root *root, const char *path) {
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

static bool begins_with(const Root *root, const char *path, char c) {
        char text[16];

        return file_read_line_at(root->fd, path, text, sizeof(text)) > 0 && text[0] == c;
}

/* When libvirt looked for hooks last (CLOCK_MONOTONIC, µs); 0: it does not run, and will when it
 * starts. */
static uint64_t last_look(const Root *root, const char **ret_service) {
        static const char *const units[] = { HOOK_OF_LIBVIRTD, HOOK_OF_VIRTQEMUD };
        uint64_t last = 0, time;

        *ret_service = units[exists(root, VIRTQEMUD_SOCKET)];
        for (size_t i = 0; root->is_live && i < ARRAY_SIZE(units); i++)
                if (units_changed_at(units[i], &time) > 0 && time > last) {
                        last = time;
                        *ret_service = units[i];
                }
        return last;
}

static bool was_there(const struct stat *found, uint64_t time) {
        const uint64_t ago = now_usec() > time ? now_usec() - time : 0;
        const uint64_t changed = (uint64_t)found->st_ctim.tv_sec * UINT64_C(1000000) +
                                 (uint64_t)found->st_ctim.tv_nsec / 1000;

        return time == 0 || changed + ago <= now_real_usec();
}

/* Of what is executed, where it is a link. While SELinux is on, the kernel has a label for every
 * file: unlabeled_t where none is stored. */
static void read_label(const Root *root, const char *path, HookFacts *ret) {
        _cleanup_close_ int fd = openat(root->fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        char label[LABEL_SIZE];
        ssize_t n = -1;

        if (fd >= 0)
                n = fgetxattr(fd, "security.selinux", label, sizeof(label) - 1);
        label[n > 0 ? n : 0] = '\0';
        if (selinux_label_type(label, ret->selinux_type) < 0)
                ret->selinux_type[0] = '\0';
}

static void look_at(const Root *root, const char *path, uint64_t last, HookFacts *ret) {
        _cleanup_free_ char *text = NULL;
        struct stat found, link;

        if (fstatat(root->fd, path, &found, 0) < 0 || !S_ISREG(found.st_mode) ||
            fstatat(root->fd, path, &link, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        if (found.st_mode & S_IXUSR && was_there(&link, last))
                ret->is_known = true;
        if (file_read_alloc_at(root->fd, path, HOOK_SIZE_MAX, &text) < 0 || !strstr(text, OURS))
                return;
        (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
        ret->is_executable = found.st_mode & S_IXUSR;
        ret->is_link = S_ISLNK(link.st_mode);
        read_label(root, path, ret);
}

void hook_facts_read(const Root *root, HookFacts *ret) {
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        uint64_t last;
        size_t n = 0;

        *ret = (HookFacts){
                .has_libvirt = exists(root, LIBVIRT_DIR),
                .has_apparmor = apparmor_confines_libvirt(root),
                .selinux_enforces = begins_with(root, "sys/fs/selinux/enforce", '1'),
                .has_hook_type = exists(root, SELINUX_BOOLEAN),
                .hooks_are_unconfined = begins_with(root, SELINUX_BOOLEAN, '1'),
        };
        if (!ret->has_libvirt)
                return;
        last = last_look(root, &ret->service);
        look_at(root, OLD_HOOK, last, ret);
        dir = file_open_dir_at(root->fd, HOOKS_DIR);
        while (dir && n++ < HOOKS_MAX && (entry = readdir(dir))) {
                char path[sizeof(HOOKS_DIR "/") + sizeof(entry->d_name)];

                (void)snprintf(path, sizeof(path), HOOKS_DIR "/%s", entry->d_name);
                if (entry->d_name[0] != '.')
                        look_at(root, path, last, ret);
        }
}

/* --- Proxmox VE --- */

/* Without a file of storages there is `local` alone (PVE: src/PVE/Storage/Plugin.pm). */
static int find_storage(const Root *root, const char *name, size_t length,
                        char path[static PROXMOX_PATH_SIZE]) {
        static const char local[] = "dir: local\n\tpath /var/lib/vz\n";
        _cleanup_free_ char *text = NULL;
        ssize_t n = file_read_alloc_at(root->fd, STORAGES_PATH, HOOK_SIZE_MAX, &text);

        if (n < 0 && n != -ENOENT)
                return (int)n;
        return proxmox_storage_parse(n < 0 ? local : text, name, length, path);
}

static bool find_hookscript(const Root *root, const char *hookscript,
                            char path[static PROXMOX_PATH_SIZE]) {
        const char *name = strchr(hookscript, ':');
        char storage[PROXMOX_PATH_SIZE];
        int n;

        if (!name || find_storage(root, hookscript, (size_t)(name - hookscript), storage) < 0)
                return false;
        n = snprintf(path, PROXMOX_PATH_SIZE, "%s/%s", storage + 1, name + 1);
        return n >= 0 && n < PROXMOX_PATH_SIZE;
}

static bool asks_us(const Root *root, const char *path) {
        _cleanup_free_ char *text = NULL;

        return file_read_alloc_at(root->fd, path, HOOK_SIZE_MAX, &text) >= 0 && strstr(text, OURS);
}

void hook_facts_read_proxmox(const Root *root, const char *hookscript, ProxmoxHookFacts *ret) {
        char path[PROXMOX_PATH_SIZE];
        struct stat found;

        *ret = (ProxmoxHookFacts){ .is_there = false };
        if (!find_hookscript(root, hookscript, path))
                return;
        (void)memcpy(ret->path, path, sizeof(ret->path));
        ret->is_there = fstatat(root->fd, path, &found, 0) == 0 && S_ISREG(found.st_mode);
        ret->is_executable = ret->is_there && (found.st_mode & S_IXUSR);
        ret->is_ours = ret->is_there && asks_us(root, path);
}
