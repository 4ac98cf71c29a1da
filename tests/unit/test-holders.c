/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who uses a function: device numbers from a sysfs made of words, processes from the real /proc.
 * Nodes that everybody may open, and hardly anybody does, stand for those of a graphics card.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "../fake/fake-host.h"
#include "host/device-nodes.h"
#include "host/holders.h"
#include "real-node.h"
#include "table.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define SYS "sys/bus/pci/devices/"

static const char *failing_path; /* NULL: none */
static int failing_errno;

int openat(int dir_fd, const char *path, int flags, ...) {
        if (!failing_path || strcmp(path, failing_path) != 0)
                return (int)syscall(SYS_openat, dir_fd, path, flags, 0644);
        errno = failing_errno;
        return -1;
}

typedef struct Machine {
        FakeHost *fake;
        Root root;
        Host host;
} Machine;

static Function *find(Machine *machine, const char *address) {
        PciAddress wanted;

        assert_int_equal(pci_address_parse(address, &wanted), 0);
        for (size_t i = 0; i < machine->host.n_functions; i++)
                if (pci_address_compare(machine->host.functions[i].address, wanted) == 0)
                        return &machine->host.functions[i];
        fail();
        return NULL;
}

static int set_up(void **state) {
        Machine *machine = calloc(1, sizeof(*machine));

        machine->fake = fake_host_new();
        fake_host_add_gpu(machine->fake, GPU, .group = 12, .driver = "amdgpu", .audio = true,
                          .boot_vga = true);
        assert_int_equal(root_open(fake_host_path(machine->fake), &machine->root), 0);
        machine->host.n_functions = 2;
        for (unsigned i = 0; i < 2; i++)
                machine->host.functions[i] =
                        (Function){ .address = { 0, 1, 0, (uint8_t)i }, .iommu_group = 12 };
        fake_host_write(machine->fake, "etc/passwd", "root:x:0:0::/:/bin/sh\n");
        *state = machine;
        return 0;
}

static int tear_down(void **state) {
        Machine *machine = *state;

        root_close(&machine->root);
        fake_host_freep(&machine->fake);
        free(machine);
        return 0;
}

/* --- nodes --- */

static DeviceNodes *nodes_of(Machine *machine, const char *address) {
        DeviceNodes *nodes = calloc(1, sizeof(*nodes));

        assert_int_equal(device_nodes_add(&machine->root, find(machine, address), nodes), 0);
        return nodes;
}

static const DeviceNode *find_node(const DeviceNodes *nodes, unsigned major, unsigned minor) {
        for (size_t i = 0; i < nodes->n; i++)
                if (nodes->list[i].number == makedev(major, minor))
                        return &nodes->list[i];
        return NULL;
}

/* What hangs below a function is found whatever its class; what is linked from there is not. */
static void test_below(void **state) {
        Machine *machine = *state;
        FakeHost *fake = machine->fake;
        DeviceNodes *nodes;
        char target[512];

        fake_host_write(fake, SYS GPU "/drm/card0/dev", "226:0\n");
        fake_host_write(fake, SYS GPU "/drm/card0/card0-DP-1/i2c-7/i2c-dev/i2c-7/dev", "89:7\n");
        fake_host_write(fake, SYS GPU "/drm/renderD128/dev", "226:128\n");
        fake_host_write(fake, SYS GPU "/graphics/fb0/dev", "29:0\n");
        fake_host_write(fake, SYS GPU "/usb3/3-1/3-1:1.0/0003:046D:C52B.0001/hidraw/hidraw0/dev",
                        "240:0\n");
        fake_host_write(fake, SYS GPU "/nvme/nvme0/nvme0n1/dev", "259:0\n");
        fake_host_write(fake, SYS GPU "/power/dev", "1:1\n");
        fake_host_write(fake, SYS GPU "/broken/dev", "226\n");
        fake_host_write(fake, "sys/class/block/x", "");
        fake_host_write(fake, "sys/elsewhere/dev", "5:5\n");
        (void)snprintf(target, sizeof(target), "%s/sys/elsewhere", fake_host_path(fake));
        assert_int_equal(symlinkat(target, machine->root.fd, SYS GPU "/consumer"), 0);
        assert_int_equal(symlinkat("../../../../../../../../class/block", machine->root.fd,
                                   SYS GPU "/nvme/nvme0/nvme0n1/subsystem"),
                         0);
        nodes = nodes_of(machine, GPU);
        assert_int_equal(nodes->n, 6);
        assert_non_null(find_node(nodes, 226, 0));
        assert_non_null(find_node(nodes, 226, 128));
        assert_non_null(find_node(nodes, 29, 0));
        assert_non_null(find_node(nodes, 89, 7));
        assert_false(find_node(nodes, 240, 0)->is_block);
        assert_true(find_node(nodes, 259, 0)->is_block);
        free(nodes);
        nodes = nodes_of(machine, AUDIO);
        assert_int_equal(nodes->n, 0);
        free(nodes);
}

/* What goes meanwhile has no nodes; what cannot be looked at is not said to have none. */
static void test_unreadable(void **state) {
        static const char *const paths[] = { SYS GPU "/drm", SYS GPU "/drm/card0/dev" };
        Machine *machine = *state;
        DeviceNodes *nodes = calloc(1, sizeof(*nodes));

        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "226:0\n");
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                failing_path = paths[i];
                failing_errno = ENOENT;
                assert_int_equal(device_nodes_add(&machine->root, find(machine, GPU), nodes), 0);
                failing_errno = EMFILE;
                assert_int_equal(device_nodes_add(&machine->root, find(machine, GPU), nodes),
                                 -EMFILE);
        }
        failing_path = NULL;
        assert_int_equal(nodes->n, 0);
        free(nodes);
}

/* Those of some drivers and classes hang elsewhere. */
static void test_elsewhere(void **state) {
        Machine *machine = *state;
        FakeHost *fake = machine->fake;
        DeviceNodes *nodes;

        fake_host_write(fake, "sys/class/kfd/kfd/dev", "511:0\n");
        fake_host_write(fake, "sys/class/vfio/12/dev", "244:0\n");
        fake_host_write(fake, "sys/class/graphics/fb0/dev", "29:0\n");
        fake_host_write(fake, "sys/class/graphics/fb1/dev", "29:1\n");
        assert_int_equal(symlinkat("../../../devices/platform/efi-framebuffer.0", machine->root.fd,
                                   "sys/class/graphics/fb0/device"),
                         0);
        assert_int_equal(symlinkat("../../../0000:02:00.0", machine->root.fd,
                                   "sys/class/graphics/fb1/device"),
                         0);
        (void)strcpy(find(machine, GPU)->driver, "amdgpu");
        find(machine, GPU)->boot_vga = true;
        nodes = nodes_of(machine, GPU);
        assert_int_equal(nodes->n, 2);
        assert_non_null(find_node(nodes, 511, 0));
        assert_non_null(find_node(nodes, 29, 0));
        free(nodes);
        fake_host_write(fake, "sys/bus/pci/drivers/amdgpu/0000:02:00.0", "");
        nodes = nodes_of(machine, GPU);
        assert_null(find_node(nodes, 511, 0));
        free(nodes);
        find(machine, GPU)->on_vfio = true;
        fake_host_write(fake, SYS GPU "/vfio-dev/vfio3/dev", "243:3\n");
        (void)strcpy(find(machine, GPU)->driver, "vfio-pci");
        nodes = nodes_of(machine, GPU);
        assert_int_equal(nodes->n, 2);
        assert_non_null(find_node(nodes, 244, 0));
        assert_non_null(find_node(nodes, 243, 3));
        free(nodes);
}

/* A card among several of nvidia's has its own minor; the only one has everything. */
static void test_nvidia(void **state) {
        Machine *machine = *state;
        FakeHost *fake = machine->fake;
        DeviceNodes *nodes;

        (void)strcpy(find(machine, GPU)->driver, "nvidia");
        fake_host_write(fake, "proc/devices",
                        "Character devices:\n  1 mem\n195 nvidia\n195 nvidiactl\n507 nvidia-uvm\n"
                        "x nvidia\n\nBlock devices:\n259 nvidia-none\n");
        nodes = nodes_of(machine, GPU);
        assert_int_equal(nodes->n, 3);
        assert_true(find_node(nodes, 507, 0)->is_major);
        free(nodes);
        fake_host_write(fake, "proc/driver/nvidia/gpus/0000:01:00.0/information",
                        "Model: \t x\nDevice Minor: \t 3\nGPU Excluded:\t No\n");
        nodes = nodes_of(machine, GPU);
        assert_int_equal(nodes->n, 3);
        free(nodes);
        fake_host_write(fake, "proc/driver/nvidia/gpus/0000:02:00.0/information", "");
        nodes = nodes_of(machine, GPU);
        assert_int_equal(nodes->n, 1);
        assert_false(find_node(nodes, 195, 3)->is_major);
        free(nodes);
}

/* --- processes --- */

static const NodeHolder *find_holder(const Holders *holders, pid_t pid) {
        for (size_t i = 0; i < holders->n; i++)
                if (holders->list[i].pid == pid)
                        return &holders->list[i];
        return NULL;
}

/* Only the number counts: not the path, and not who else has a file of that name. */
static void test_processes(void **state) {
        static const PciAddress both[] = { { 0, 1, 0, 0 }, { 0, 1, 0, 1 } };
        Machine *machine = *state;
        Holders *holders = calloc(1, sizeof(*holders));
        char path[512], comm[32] = "";
        pid_t of_gpu, of_audio, other, of_file;
        FILE *file;

        real_node_use_processes(machine->fake, &machine->root);
        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "1:7\n");     /* /dev/full */
        fake_host_write(machine->fake, SYS AUDIO "/sound/card0/dev", "1:8\n"); /* /dev/random */
        fake_host_write(machine->fake, "file", "x");
        (void)snprintf(path, sizeof(path), "%s/file", fake_host_path(machine->fake));
        of_gpu = real_node_hold(REAL_NODE, POLITE);
        of_audio = real_node_hold("/dev/random", POLITE);
        other = real_node_hold("/dev/zero", POLITE);
        of_file = real_node_hold(path, POLITE);
        assert_int_equal(holders_find(&machine->root, &machine->host, both, 2, holders), 0);
        assert_int_equal(find_holder(holders, of_gpu)->address.function, 0);
        assert_int_equal(find_holder(holders, of_audio)->address.function, 1);
        assert_null(find_holder(holders, other));
        assert_null(find_holder(holders, of_file));
        assert_null(find_holder(holders, getpid()));
        file = fopen("/proc/self/comm", "re");
        assert_non_null(fgets(comm, sizeof(comm), file));
        (void)fclose(file);
        comm[strcspn(comm, "\n")] = '\0';
        assert_string_equal(find_holder(holders, of_gpu)->command, comm);
        assert_int_equal(holders_find(&machine->root, &machine->host, both, 1, holders), 0);
        assert_non_null(find_holder(holders, of_gpu));
        assert_null(find_holder(holders, of_audio));
        real_node_end(of_gpu);
        real_node_end(of_audio);
        real_node_end(other);
        real_node_end(of_file);
        assert_int_equal(holders_find(&machine->root, &machine->host, both, 1, holders), 0);
        assert_null(find_holder(holders, of_gpu));
        free(holders);
}

static void *hold_alone(void *ready) {
        if (unshare(CLONE_FILES) < 0 || open(REAL_NODE, O_RDWR | O_CLOEXEC) < 0 ||
            write(*(int *)ready, "", 1) != 1)
                _exit(1);
        for (;;)
                (void)pause();
        return NULL;
}

/* The files of a thread that shares them with no other. */
static void test_thread(void **state) {
        static const PciAddress gpu[] = { { 0, 1, 0, 0 } };
        Machine *machine = *state;
        Holders *holders = calloc(1, sizeof(*holders));
        pthread_t thread;
        bool is_allowed;
        pid_t pid;
        int ready;

        real_node_use_processes(machine->fake, &machine->root);
        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "1:7\n");
        pid = real_node_fork(&ready);
        if (pid == 0) {
                if (pthread_create(&thread, NULL, hold_alone, &ready) != 0)
                        _exit(1);
                for (;;)
                        (void)pause();
        }
        assert_true(real_node_is_ready(ready));
        is_allowed = syscall(SYS_kcmp, getpid(), pid, KCMP_FILES, 0, 0) >= 0;
        assert_int_equal(holders_find(&machine->root, &machine->host, gpu, 1, holders), 0);
        if (is_allowed)
                assert_non_null(find_holder(holders, pid));
        real_node_end(pid);
        free(holders);
        if (!is_allowed)
                skip();
}

/* Of those that find no place each is counted once, however many files it has open. */
static void test_many(void **state) {
        static const PciAddress gpu[] = { { 0, 1, 0, 0 } };
        Machine *machine = *state;
        Holders *holders = calloc(1, sizeof(*holders));
        pid_t pids[HOLDERS_MAX + 3];
        int fd;

        real_node_use_processes(machine->fake, &machine->root);
        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "1:7\n");
        fd = open(REAL_NODE, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
                pids[i] = real_node_hold(REAL_NODE, POLITE);
        (void)close(fd);
        assert_int_equal(holders_find(&machine->root, &machine->host, gpu, 1, holders), 0);
        assert_int_equal(holders->n, HOLDERS_MAX);
        assert_int_equal(holders->n_more, 3);
        for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
                real_node_end(pids[i]);
        free(holders);
}

/* A node that is called otherwise and lies elsewhere; skipped where making one is not allowed. */
static void test_other_path(void **state) {
        static const PciAddress gpu[] = { { 0, 1, 0, 0 } };
        Machine *machine = *state;
        Holders *holders = calloc(1, sizeof(*holders));
        char path[512];
        pid_t pid;
        int fd;

        real_node_use_processes(machine->fake, &machine->root);
        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "1:7\n");
        (void)snprintf(path, sizeof(path), "%s/node", fake_host_path(machine->fake));
        fd = mknod(path, S_IFCHR | 0600, makedev(1, 7)) < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
                (void)close(fd);
                pid = real_node_hold(path, POLITE);
                assert_int_equal(holders_find(&machine->root, &machine->host, gpu, 1, holders), 0);
                assert_non_null(find_holder(holders, pid));
                real_node_end(pid);
        }
        free(holders);
        if (fd < 0)
                skip();
}

/* The same, opened before the process got mounts of its own, of which none is that one; skipped
 * where that is not allowed. */
static void test_other_mounts(void **state) {
        static const PciAddress gpu[] = { { 0, 1, 0, 0 } };
        Machine *machine = *state;
        Holders *holders = calloc(1, sizeof(*holders));
        char path[512];
        bool is_allowed;
        pid_t pid;
        int ready;

        real_node_use_processes(machine->fake, &machine->root);
        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "1:7\n");
        (void)snprintf(path, sizeof(path), "%s/node", fake_host_path(machine->fake));
        (void)mknod(path, S_IFCHR | 0600, makedev(1, 7));
        pid = real_node_fork(&ready);
        if (pid == 0) {
                if (open(path, O_RDWR | O_CLOEXEC) < 0 || unshare(CLONE_NEWNS) < 0 ||
                    write(ready, "", 1) != 1)
                        _exit(1);
                for (;;)
                        (void)pause();
        }
        is_allowed = real_node_is_ready(ready);
        if (is_allowed) {
                assert_int_equal(holders_find(&machine->root, &machine->host, gpu, 1, holders), 0);
                assert_non_null(find_holder(holders, pid));
        }
        real_node_end(pid);
        free(holders);
        if (!is_allowed)
                skip();
}

/* Who runs us must not be ended. */
static void test_ancestor(void **state) {
        static const PciAddress gpu[] = { { 0, 1, 0, 0 } };
        Machine *machine = *state;
        Holders *holders = calloc(1, sizeof(*holders));
        int fd, status;
        pid_t pid;

        real_node_use_processes(machine->fake, &machine->root);
        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "1:7\n");
        fd = open(REAL_NODE, O_RDWR | O_CLOEXEC);
        pid = fork();
        if (pid == 0) {
                const NodeHolder *parent;
                int r = holders_find(&machine->root, &machine->host, gpu, 1, holders);

                parent = find_holder(holders, getppid());
                _exit(r == 0 && parent && parent->is_kept ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        (void)close(fd);
        free(holders);
}

static void test_other_root(void **state) {
        static const PciAddress gpu[] = { { 0, 1, 0, 0 } };
        Machine *machine = *state;
        Holders *holders = calloc(1, sizeof(*holders));

        fake_host_write(machine->fake, SYS GPU "/drm/card0/dev", "1:3\n");
        holders->n = 3;
        assert_int_equal(holders_find(&machine->root, &machine->host, gpu, 1, holders), 0);
        assert_int_equal(holders->n, 0);
        free(holders);
}

#define ON_MACHINE(title, test) { (title), (test), set_up, tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_MACHINE("nodes below a function", test_below),
                ON_MACHINE("nodes that cannot be looked for", test_unreadable),
                ON_MACHINE("nodes elsewhere", test_elsewhere),
                ON_MACHINE("nodes of nvidia", test_nvidia),
                ON_MACHINE("processes by device number", test_processes),
                ON_MACHINE("a thread with files of its own", test_thread),
                ON_MACHINE("more than there is room for", test_many),
                ON_MACHINE("a node of another name", test_other_path),
                ON_MACHINE("a node on a mount of init's", test_other_mounts),
                ON_MACHINE("who runs us is kept", test_ancestor),
                ON_MACHINE("another root has no processes", test_other_root),
        };

        if (real_node_take() < 0)
                return 1;
        return cmocka_run_group_tests_name("holders", tests, NULL, NULL);
}
