/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks /proc/PID/fd. A descriptor's link is read before it is followed: stat(2) on a file of a
 * hung network or FUSE file system would hang us with it, so outside /dev only files on other file
 * systems are looked at.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/parse.h"
#include "device-nodes.h"
#include "holders.h"
#include "model/process-stat.h"
#include "mount-info.h"
#include "proc-tables.h"
#include "user-name.h"

#define ANCESTORS_MAX 64
#define MOUNTS_MAX 64 /* that are remembered */
#define MOUNTINFO_MAX (1024 * 1024)
#define INPUT_MAJOR 13
#define PID_SIZE 16

typedef struct Mount {
        int id;
        bool is_remote;
} Mount;

typedef struct Scan {
        const Root *root;
        int proc_fd;
        const DeviceNodes *nodes;
        Holders *ret;
        char own_unit[CONFIG_UNIT_SIZE];
        Mount mounts[MOUNTS_MAX];
        size_t n_mounts;
        int more_pid; /* the last process that found no place */
} Scan;

/* --- files that may hang --- */

static bool is_remote_type(const char *type) {
        static const char *const types[] = { "9p",   "afs",    "autofs", "ceph", "cifs", "fuse",
                                             "gfs2", "lustre", "nfs",    "nfs4", "smb3", "ocfs2" };

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return strncmp(type, "fuse.", strlen("fuse.")) == 0;
}

/* The mount that a descriptor's file was opened through; negative where that is not told. */
static int read_mount_id(const Scan *scan, const char *pid, const char *fd) {
        char path[PID_SIZE + NAME_MAX + sizeof("/fdinfo/")], text[256];
        _cleanup_close_ int info = -1;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/fdinfo/%s", pid, fd);
        info = openat(scan->proc_fd, path, O_RDONLY | O_CLOEXEC);
        n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
        if (n <= 0)
                return -ENOENT;
        text[n] = '\0';
        return proc_fdinfo_mount(text);
}

/* Returns -ENOENT where that process does not see the mount. */
static int look_up_mount(const Scan *scan, const char *pid, int id, bool *ret) {
        _cleanup_free_ char *text = NULL;
        char path[PID_SIZE + sizeof("/mountinfo")], type[MOUNT_TYPE_SIZE];

        (void)snprintf(path, sizeof(path), "%s/mountinfo", pid);
        if (file_read_alloc_at(scan->proc_fd, path, MOUNTINFO_MAX, &text) < 0 ||
            !mount_info_type(text, id, type))
                return -ENOENT;
        *ret = type[0] == '\0' || is_remote_type(type);
        return 0;
}

/* Ids of mounts are the system's, so what was found for one process holds for the others. */
static bool may_hang(Scan *scan, const char *pid, const char *fd) {
        int id = read_mount_id(scan, pid, fd);
        Mount mount = { .id = id };

        if (id < 0)
                return true;
        for (size_t i = 0; i < scan->n_mounts && i < MOUNTS_MAX; i++)
                if (scan->mounts[i].id == id)
                        return scan->mounts[i].is_remote;
        /* What was opened before the process got mounts of its own is often init's. A mount that
         * neither sees may be one that was given up as hung. */
        if (look_up_mount(scan, pid, id, &mount.is_remote) < 0 &&
            look_up_mount(scan, "1", id, &mount.is_remote) < 0)
                return true;
        scan->mounts[scan->n_mounts++ % MOUNTS_MAX] = mount;
        return mount.is_remote;
}

/* --- who it is --- */

static int read_parent(const Scan *scan, int pid) {
        char path[PID_SIZE + sizeof("/stat")], text[1024];

        (void)snprintf(path, sizeof(path), "%d/stat", pid);
        return file_read_at(scan->proc_fd, path, text, sizeof(text)) < 0
                       ? 0
                       : process_stat_parent(text);
}

static bool runs_us(const Scan *scan, int pid) {
        int ancestor = getpid();

        for (unsigned i = 0; i < ANCESTORS_MAX && ancestor > 1; i++) {
                if (ancestor == pid)
                        return true;
                ancestor = read_parent(scan, ancestor);
        }
        return false;
}

static void read_cgroup(const Scan *scan, const char *pid, NodeHolder *ret) {
        char path[PID_SIZE + sizeof("/cgroup")], text[HOLDER_CGROUP_MAX];

        (void)snprintf(path, sizeof(path), "%s/cgroup", pid);
        if (file_read_at(scan->proc_fd, path, text, sizeof(text)) < 0)
                text[0] = '\0';
        in_use_parse_cgroup(text, ret);
}

/* systemd's own let go by themselves; ours have to go on. */
static bool is_kept_unit(const char *unit) {
        return strcmp(unit, "systemd-logind.service") == 0 ||
               strcmp(unit, "systemd-udevd.service") == 0 || strcmp(unit, "init.scope") == 0 ||
               strncmp(unit, "vfio-mode@", strlen("vfio-mode@")) == 0 ||
               strcmp(unit, "vfio-moded.service") == 0;
}

static void identify(const Scan *scan, const char *pid, NodeHolder *holder) {
        char path[PID_SIZE + sizeof("/comm")];

        (void)snprintf(path, sizeof(path), "%s/comm", pid);
        if (file_read_line_at(scan->proc_fd, path, holder->command, sizeof(holder->command)) < 0)
                holder->command[0] = '\0';
        read_cgroup(scan, pid, holder);
        user_name(scan->root, holder->user, sizeof(holder->user));
        holder->is_kept =
                holder->pid == 1 || is_kept_unit(holder->unit) || runs_us(scan, holder->pid);
        /* To stop the unit that we run in would be the end of us. */
        if (!holder->is_kept && strcmp(holder->unit, scan->own_unit) == 0)
                holder->unit[0] = '\0';
}

/* --- the scan --- */

static NodeHolder *find_known(Holders *holders, int pid, PciAddress address) {
        for (size_t i = 0; i < holders->n; i++)
                if (holders->list[i].pid == pid &&
                    pci_address_compare(holders->list[i].address, address) == 0)
                        return &holders->list[i];
        return NULL;
}

/* A process that has many nodes open is one more all the same. */
static void count_more(Scan *scan, int pid) {
        Holders *ret = scan->ret;

        for (size_t i = 0; i < ret->n; i++)
                if (ret->list[i].pid == pid)
                        return;
        ret->n_more += scan->more_pid != pid;
        scan->more_pid = pid;
}

static void add_holder(Scan *scan, const char *pid, const DeviceNode *node) {
        Holders *ret = scan->ret;
        NodeHolder holder = { .address = node->address,
                              .draws = device_node_is_card(node->number) };
        NodeHolder *known;
        uint64_t number;

        if (parse_decimal(pid, INT_MAX, &number) < 0 || (int)number == getpid())
                return;
        known = find_known(ret, (int)number, node->address);
        if (known) {
                known->draws |= holder.draws;
                return;
        }
        holder.pid = (int)number;
        identify(scan, pid, &holder);
        if (major(node->number) == INPUT_MAJOR &&
            strcmp(holder.unit, "systemd-logind.service") == 0)
                return;
        if (ret->n == HOLDERS_MAX)
                count_more(scan, holder.pid);
        else
                ret->list[ret->n++] = holder;
}

static bool read_device(Scan *scan, int fd_dir, const char *pid, const char *name,
                        struct statx *ret) {
        char target[sizeof("/dev/")] = "";

        if (readlinkat(fd_dir, name, target, sizeof(target) - 1) <= 0 || target[0] != '/' ||
            (strcmp(target, "/dev/") != 0 && may_hang(scan, pid, name)))
                return false;
        return statx(fd_dir, name, AT_STATX_DONT_SYNC, STATX_TYPE, ret) >= 0 &&
               (S_ISCHR(ret->stx_mode) || S_ISBLK(ret->stx_mode));
}

static bool is_node(const DeviceNode *node, const struct statx *device) {
        return node->is_block == S_ISBLK(device->stx_mode) &&
               major(node->number) == device->stx_rdev_major &&
               (node->is_major || minor(node->number) == device->stx_rdev_minor);
}

/* @thread: of the process, or the process itself */
static void scan_files(Scan *scan, const char *pid, const char *thread) {
        _cleanup_closedir_ DIR *dir = NULL;
        char path[PID_SIZE + sizeof("/fd")];
        const struct dirent *entry;

        if (strlen(pid) >= PID_SIZE || strlen(thread) >= PID_SIZE)
                return;
        (void)snprintf(path, sizeof(path), "%s/fd", thread);
        dir = file_open_dir_at(scan->proc_fd, path);
        while (dir && (entry = readdir(dir))) {
                struct statx device;

                if (entry->d_name[0] == '.' ||
                    !read_device(scan, dirfd(dir), thread, entry->d_name, &device))
                        continue;
                for (size_t i = 0; i < scan->nodes->n; i++)
                        if (is_node(&scan->nodes->list[i], &device))
                                add_holder(scan, pid, &scan->nodes->list[i]);
        }
}

/* Where that cannot be told they share them, as nearly all do. */
static bool share_files(const char *thread, const char *other) {
        uint64_t a, b;

        return parse_decimal(thread, INT_MAX, &a) < 0 || parse_decimal(other, INT_MAX, &b) < 0 ||
               syscall(SYS_kcmp, (pid_t)a, (pid_t)b, KCMP_FILES, 0, 0) <= 0;
}

/* Threads that have taken leave of their process's files, or outlived its first thread. */
static void scan_other_threads(Scan *scan, const char *pid) {
        char path[PID_SIZE + sizeof("/task")], last[PID_SIZE];
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        struct stat info;

        if (strlen(pid) >= PID_SIZE)
                return;
        (void)snprintf(path, sizeof(path), "%s/task", pid);
        if (fstatat(scan->proc_fd, path, &info, 0) < 0 || info.st_nlink <= 3)
                return; /* it has one thread */
        (void)snprintf(last, sizeof(last), "%s", pid);
        dir = file_open_dir_at(scan->proc_fd, path);
        while (dir && (entry = readdir(dir))) {
                const char *thread = entry->d_name;

                if (thread[0] == '.' || strlen(thread) >= PID_SIZE || share_files(thread, pid) ||
                    share_files(thread, last))
                        continue;
                scan_files(scan, pid, thread);
                (void)snprintf(last, sizeof(last), "%s", thread);
        }
}

static void scan_process(Scan *scan, const char *pid) {
        scan_files(scan, pid, pid);
        scan_other_threads(scan, pid);
}

static int scan_processes(const Root *root, const DeviceNodes *nodes, Holders *ret) {
        _cleanup_closedir_ DIR *proc = file_open_dir_at(root->fd, "proc");
        _cleanup_free_ Scan *scan = calloc(1, sizeof(*scan));
        const struct dirent *entry;
        NodeHolder us = { 0 };

        if (!proc)
                return -errno;
        if (!scan)
                return -ENOMEM;
        *scan = (Scan){ .root = root, .proc_fd = dirfd(proc), .nodes = nodes, .ret = ret };
        read_cgroup(scan, "self", &us);
        (void)memcpy(scan->own_unit, us.unit, sizeof(scan->own_unit));
        while ((entry = readdir(proc)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        scan_process(scan, entry->d_name);
        return 0;
}

int holders_find(const Root *root, const Host *host, const PciAddress *functions, size_t n,
                 Holders *ret) {
        _cleanup_free_ DeviceNodes *nodes = NULL;
        int r = 0;

        (void)memset(ret, 0, sizeof(*ret));
        if (!root->is_live)
                return 0;
        nodes = calloc(1, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const Function *function = host_find(host, functions[i]);

                if (function)
                        r = device_nodes_add(root, function, nodes);
        }
        if (r < 0 || nodes->n == 0)
                return r;
        return scan_processes(root, nodes, ret);
}

/* --- VFIO --- */

/* Only one process at a time may have a group open; /proc is read only to name it. */
static int open_group(const Root *root, int iommu_group) {
        _cleanup_close_ int fd = -1;
        char path[64];

        (void)snprintf(path, sizeof(path), "dev/vfio/%d", iommu_group);
        fd = openat(root->fd, path, O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : 0;
}

static int name_vfio_holders(const Root *root, Host *host) {
        _cleanup_free_ Holders *holders = calloc(1, sizeof(*holders));
        PciAddress functions[HOST_FUNCTIONS_MAX] = { 0 };
        size_t n = 0;
        int r;

        if (!holders)
                return -ENOMEM;
        for (size_t i = 0; i < host->n_functions; i++)
                if (host->functions[i].on_vfio)
                        functions[n++] = host->functions[i].address;
        r = holders_find(root, host, functions, n, holders);
        for (size_t i = 0; r >= 0 && i < host->n_functions; i++)
                for (size_t j = 0; j < holders->n; j++) {
                        const NodeHolder *from = &holders->list[j];
                        Holder *to = &host->functions[i].holder;

                        if (to->is_kept ||
                            pci_address_compare(host->functions[i].address, from->address) != 0)
                                continue;
                        to->is_kept = from->is_kept;
                        to->pid = from->pid;
                        (void)memcpy(to->command, from->command, sizeof(to->command));
                }
        return r;
}

int holders_find_vfio(const Root *root, Host *host) {
        bool all_free = true;
        int r;

        if (!root->is_live)
                return 0;
        for (size_t i = 0; i < host->n_functions; i++) {
                Function *function = &host->functions[i];

                function->holder = (Holder){ 0 };
                if (!function->on_vfio)
                        continue;
                r = open_group(root, function->iommu_group);
                all_free &= r >= 0;
                if (r == -EBUSY)
                        function->holder.pid = HOLDER_UNSEEN;
        }
        return all_free ? 0 : name_vfio_holders(root, host);
}

int holders_find_vfio_of(const Root *root, const Function *function, Holder *ret) {
        _cleanup_free_ Host *host = calloc(1, sizeof(*host));
        int r;

        *ret = (Holder){ 0 };
        if (!host)
                return -ENOMEM;
        host->n_functions = 1;
        host->functions[0] = *function;
        host->functions[0].on_vfio = true;
        r = holders_find_vfio(root, host);
        *ret = host->functions[0].holder;
        return r;
}
