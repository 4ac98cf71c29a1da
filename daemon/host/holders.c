/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks /proc/PID/fd. A descriptor's link is read before it is followed: stat(2) on a file of a
 * hung network or FUSE file system would hang us with it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/parse.h"
#include "holders.h"

#define NODES_MAX (2 * HOST_FUNCTIONS_MAX)

typedef struct Node {
        dev_t number;
        Function *function;
} Node;

typedef struct Nodes {
        Node nodes[NODES_MAX];
        size_t n_nodes;
} Nodes;

static DIR *open_dir(int dir_fd, const char *path) {
        DIR *dir;
        int fd;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        dir = fdopendir(fd);
        if (!dir)
                closep(&fd);
        return dir;
}

/* Parses "244:0", as the `dev` attribute of a class device has it. */
static int read_device_number(const Root *root, const char *path, dev_t *ret) {
        uint64_t major, minor;
        char text[32], *colon;

        if (file_read_line_at(root->fd, path, text, sizeof(text)) < 0)
                return -ENOENT;
        colon = strchr(text, ':');
        if (!colon)
                return -EBADMSG;
        *colon = '\0';
        if (parse_decimal(text, UINT32_MAX, &major) < 0 ||
            parse_decimal(colon + 1, UINT32_MAX, &minor) < 0)
                return -EBADMSG;
        *ret = makedev((unsigned)major, (unsigned)minor);
        return 0;
}

static void add_node(const Root *root, const char *path, Function *function, Nodes *nodes) {
        dev_t number;

        if (nodes->n_nodes < NODES_MAX && read_device_number(root, path, &number) >= 0)
                nodes->nodes[nodes->n_nodes++] = (Node){ number, function };
}

/* The character device of iommufd, where the kernel has it: vfio-dev/vfioN/dev. */
static void add_cdev_node(const Root *root, const char *address, Function *function, Nodes *nodes) {
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        char path[512];

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vfio-dev", address);
        dir = open_dir(root->fd, path);
        while (dir && (entry = readdir(dir))) {
                if (strncmp(entry->d_name, "vfio", strlen("vfio")) != 0)
                        continue;
                (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vfio-dev/%s/dev",
                               address, entry->d_name);
                add_node(root, path, function, nodes);
        }
}

static void collect_nodes(const Root *root, Host *host, Nodes *nodes) {
        for (size_t i = 0; i < host->n_functions; i++) {
                Function *function = &host->functions[i];
                char path[64], address[PCI_ADDRESS_SIZE];

                if (!function->on_vfio)
                        continue;
                (void)snprintf(path, sizeof(path), "sys/class/vfio/%d/dev", function->iommu_group);
                add_node(root, path, function, nodes);
                add_cdev_node(root, pci_address_format(function->address, address), function,
                              nodes);
        }
}

static void set_holder(int proc_fd, const char *pid, Function *function) {
        char path[NAME_MAX + sizeof("/comm")];
        uint64_t number;

        if (parse_decimal(pid, INT32_MAX, &number) < 0)
                return;
        function->holder.pid = (int)number;
        (void)snprintf(path, sizeof(path), "%s/comm", pid);
        if (file_read_line_at(proc_fd, path, function->holder.command,
                              sizeof(function->holder.command)) < 0)
                function->holder.command[0] = '\0';
}

static bool is_vfio_node(int fd_dir, const char *name, dev_t *ret) {
        char target[256];
        struct stat status;
        ssize_t n;

        n = readlinkat(fd_dir, name, target, sizeof(target) - 1);
        if (n <= 0)
                return false;
        target[n] = '\0';
        if (!strstr(target, "/vfio/") || fstatat(fd_dir, name, &status, 0) < 0 ||
            !S_ISCHR(status.st_mode))
                return false;
        *ret = status.st_rdev;
        return true;
}

static void scan_process(int proc_fd, const char *pid, const Nodes *nodes) {
        _cleanup_closedir_ DIR *dir = NULL;
        char path[NAME_MAX + sizeof("/fd")];
        const struct dirent *entry;

        (void)snprintf(path, sizeof(path), "%s/fd", pid);
        dir = open_dir(proc_fd, path);
        while (dir && (entry = readdir(dir))) {
                dev_t number;

                if (entry->d_name[0] == '.' || !is_vfio_node(dirfd(dir), entry->d_name, &number))
                        continue;
                for (size_t i = 0; i < nodes->n_nodes; i++)
                        if (nodes->nodes[i].number == number)
                                set_holder(proc_fd, pid, nodes->nodes[i].function);
        }
}

/* Only one process at a time may have a group open; /proc is read only to name it. */
static int open_group(const Root *root, int iommu_group) {
        _cleanup_close_ int fd = -1;
        char path[64];

        (void)snprintf(path, sizeof(path), "dev/vfio/%d", iommu_group);
        fd = openat(root->fd, path, O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : 0;
}

static int scan_processes(const Root *root, const Nodes *nodes) {
        _cleanup_closedir_ DIR *proc = open_dir(root->fd, "proc");
        const struct dirent *entry;

        if (!proc)
                return -errno;
        while ((entry = readdir(proc)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        scan_process(dirfd(proc), entry->d_name, nodes);
        return 0;
}

int holders_find_vfio(const Root *root, Host *host) {
        _cleanup_free_ Nodes *nodes = NULL;
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
        if (all_free)
                return 0;
        nodes = calloc(1, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        collect_nodes(root, host, nodes);
        return scan_processes(root, nodes);
}
