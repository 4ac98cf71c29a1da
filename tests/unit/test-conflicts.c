/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other owners of a device: what is one, what is none, and which of them is a refusal. */
#undef NDEBUG
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fake/fake-host.h"
#include "host/conflicts.h"
#include "host/host-scan.h"
#include "table.h"

#define NVIDIA "0000:01:00.0"
#define AMD "0000:02:00.0"
#define NIC "0000:05:00.0"
#define WANTS "etc/systemd/system/"

typedef struct Row {
        const char *title;
        const char *taken; /* the mode's function */
        const char *path;  /* of the file that is there */
        const char *content;
        const char *text; /* begins so; NULL: no conflict */
        const char *advice;
        bool breaks;
} Row;

static const Row rows[] = {
        { "driverctl keeps a driver for it", NIC, "etc/driverctl.d/pci-" NIC, "vfio-pci\n",
          "driverctl gives " NIC " to vfio-pci at every boot (/etc/driverctl.d/pci-" NIC ").",
          "rm /etc/driverctl.d/pci-" NIC, true },
        { "driverctl keeps a driver for another", NIC, "etc/driverctl.d/pci-" NVIDIA, "vfio-pci\n",
          NULL, NULL, false },
        { "supergfxd is enabled", NVIDIA, WANTS "getty.target.wants/supergfxd.service", "",
          NVIDIA " is another's, too: supergfxd.service ",
          "systemctl disable --now supergfxd.service", true },
        { "supergfxd is enabled, and it is an AMD", AMD,
          WANTS "getty.target.wants/supergfxd.service", "",
          AMD " is another's, too: ", "systemctl disable --now supergfxd.service", true },
        { "supergfxd is enabled, and it is no display", NIC,
          WANTS "getty.target.wants/supergfxd.service", "", NULL, NULL, false },
        { "supergfxd is installed and not enabled", NVIDIA,
          "usr/lib/systemd/system/supergfxd.service", "[Unit]\n", NULL, NULL, false },
        { "a unit's own directory is none that wants", NVIDIA,
          WANTS "getty.target.d/supergfxd.service", "", NULL, NULL, false },
        { "gpu-manager is enabled", NVIDIA,
          WANTS "display-manager.service.requires/gpu-manager.service", "",
          NVIDIA " is another's, too: gpu-manager.service ",
          "systemctl disable --now gpu-manager.service", false },
        { "optimus-manager is enabled", NVIDIA,
          WANTS "graphical.target.wants/optimus-manager.service", "",
          NVIDIA " is another's, too: optimus-manager.service ",
          "systemctl disable --now optimus-manager.service", true },
        { "optimus-manager knows no AMD", AMD,
          WANTS "graphical.target.wants/optimus-manager.service", "", NULL, NULL, false },
        { "system76-power is enabled", AMD,
          WANTS "graphical.target.wants/com.system76.PowerDaemon.service", "",
          AMD " is another's, too: com.system76.PowerDaemon.service ",
          "systemctl disable --now com.system76.PowerDaemon.service", false },
        { "envycontrol removes it", NVIDIA, "etc/udev/rules.d/50-remove-nvidia.rules", "# a rule\n",
          "envycontrol removes " NVIDIA " from the machine", "envycontrol --reset", true },
        { "envycontrol removes others", AMD, "etc/udev/rules.d/50-remove-nvidia.rules",
          "# a rule\n", NULL, NULL, false },
        { "a rule for udev names it", NIC, "etc/udev/rules.d/10-vfio.rules",
          "# " NIC "\n  ACTION==\"add\", KERNEL==\"" NIC "\", ATTR{driver_override}=\"vfio-pci\"\n",
          "A rule in /etc/udev/rules.d/10-vfio.rules writes driver_override of " NIC,
          "Take that rule away", false },
        { "a rule for udev names its ids", NVIDIA, "etc/udev/rules.d/10-vfio.rules",
          "ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x2484\", ATTR{driver_override}=\"vfio-pci\"",
          "A rule in /etc/udev/rules.d/10-vfio.rules writes driver_override of " NVIDIA,
          "Take that rule away", false },
        { "a rule for udev names another", NVIDIA, "etc/udev/rules.d/10-vfio.rules",
          "ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x2206\", ATTR{driver_override}=\"x\"\n"
          "KERNEL==\"" NIC "\", ATTR{driver_override}=\"vfio-pci\"\n",
          NULL, NULL, false },
        { "a rule for udev is about something else, or a comment", NIC,
          "etc/udev/rules.d/10-net.rules",
          "KERNELS==\"" NIC "\", NAME=\"lan0\"\n# " NIC " driver_override\n", NULL, NULL, false },
        { "a rule for udev that goes over two lines", NIC, "etc/udev/rules.d/10-vfio.rules",
          "KERNEL==\"" NIC "\", \\\n  ATTR{driver_override}=\"vfio-pci\"\n",
          "A rule in /etc/udev/rules.d/10-vfio.rules writes driver_override of " NIC,
          "Take that rule away", false },
        { "a rule for udev only compares it", NIC, "etc/udev/rules.d/10-vfio.rules",
          "KERNEL==\"" NIC "\", ATTR{driver_override}==\"vfio-pci\", ENV{X}=\"1\"\n", NULL, NULL,
          false },
        { "a rule for udev has a program write it", NIC, "etc/udev/rules.d/10-vfio.rules",
          "KERNEL==\"" NIC "\", ATTR{driver_override}!=\"vfio-pci\", RUN+=\"/bin/sh -c 'echo "
          "vfio-pci > /sys/bus/pci/devices/" NIC "/driver_override'\"\n",
          "A rule in /etc/udev/rules.d/10-vfio.rules writes driver_override of " NIC,
          "Take that rule away", false },
        { "a file that udev does not read", NIC, "etc/udev/rules.d/10-vfio.rules.old",
          "KERNEL==\"" NIC "\", ATTR{driver_override}=\"vfio-pci\"\n", NULL, NULL, false },
        { "a libvirt hook writes to it", NIC, "etc/libvirt/hooks/qemu",
          "echo vfio-pci > /sys/bus/pci/devices/" NIC "/driver_override\n",
          "The libvirt hook /etc/libvirt/hooks/qemu names " NIC, "Take what moves", false },
        { "a libvirt hook detaches it by its node device", NIC, "etc/libvirt/hooks/qemu.d/10-gpu",
          "virsh nodedev-detach pci_0000_05_00_0\n",
          "The libvirt hook /etc/libvirt/hooks/qemu.d/10-gpu names " NIC, "Take what moves",
          false },
        { "a libvirt hook of one guest", NIC,
          "etc/libvirt/hooks/qemu.d/win10/prepare/begin/start.sh",
          "virsh nodedev-detach pci_0000_05_00_0\n",
          "The libvirt hook /etc/libvirt/hooks/qemu.d/win10/prepare/begin/start.sh names " NIC,
          "Take what moves", false },
        { "a libvirt hook's settings", NIC, "etc/libvirt/hooks/kvm.conf",
          "VIRSH_NIC=pci_0000_05_00_0\n", "The libvirt hook /etc/libvirt/hooks/kvm.conf names " NIC,
          "Take what moves", false },
        { "a libvirt hook unloads its driver", NVIDIA, "etc/libvirt/hooks/qemu.d/win10/start.sh",
          "#!/bin/sh\nsleep 1\n\tmodprobe -r nvidia_drm\n",
          "The libvirt hook /etc/libvirt/hooks/qemu.d/win10/start.sh loads or unloads nvidia, a "
          "driver of " NVIDIA,
          "Take what moves", false },
        { "a libvirt hook unloads its driver by a list", AMD, "etc/libvirt/hooks/qemu",
          "[ x ] && rmmod snd_hda_intel amdgpu;\n",
          "The libvirt hook /etc/libvirt/hooks/qemu loads or unloads amdgpu, a driver of " AMD,
          "Take what moves", false },
        { "a libvirt hook unloads the driver of another", AMD, "etc/libvirt/hooks/qemu",
          "modprobe -r nvidia\n", NULL, NULL, false },
        { "a libvirt hook has a module of a longer name", AMD, "etc/libvirt/hooks/qemu",
          "modprobe amdgpu2 xamdgpu\n", NULL, NULL, false },
        { "a libvirt hook has the driver in a comment", AMD, "etc/libvirt/hooks/qemu",
          "# modprobe -r amdgpu\necho amdgpu\nmodprobe kvm # amdgpu\n", NULL, NULL, false },
        { "prime-select has switched it off", NVIDIA, "etc/prime-discrete", "off\n",
          "prime-select has switched " NVIDIA " off (/etc/prime-discrete)",
          "prime-select on-demand", false },
        { "prime-select has it on demand", NVIDIA, "etc/prime-discrete", "on-demand\n", NULL, NULL,
          false },
        { "prime-select knows no AMD", AMD, "etc/prime-discrete", "off\n", NULL, NULL, false },
        { "supergfxd is wanted by its package", NVIDIA,
          "usr/lib/systemd/system/multi-user.target.wants/supergfxd.service", "",
          NVIDIA " is another's, too: supergfxd.service ", "systemctl mask --now supergfxd.service",
          true },
        { "supergfxd runs and is not enabled", NVIDIA,
          "sys/fs/cgroup/system.slice/supergfxd.service/cgroup.procs", "1\n",
          NVIDIA " is another's, too: supergfxd.service ",
          "systemctl disable --now supergfxd.service", true },
        { "a libvirt hook that asks us", NIC, "etc/libvirt/hooks/qemu.d/vfio-mode",
          "exec vfio-modectl run " NIC "\n", NULL, NULL, false },
        { "a libvirt hook that names another", NIC, "etc/libvirt/hooks/qemu", NVIDIA "\n", NULL,
          NULL, false },
};

static void test_owner(void **state) {
        const Row *row = *state;
        FakeHost *fake = fake_host_new();
        Conflicts *conflicts = calloc(1, sizeof(*conflicts));
        Host *host = calloc(1, sizeof(*host));
        PciAddress taken;
        Root root;

        fake_host_add_gpu(fake, NVIDIA, .driver = "nvidia", .group = 1);
        fake_host_add_gpu(fake, AMD, .id = "1002:73bf", .driver = "amdgpu", .group = 2);
        fake_host_add_nic(fake, NIC, 5);
        fake_host_write(fake, row->path, row->content);
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(host_scan_all(&root, host), 0);
        assert_int_equal(pci_address_parse(row->taken, &taken), 0);

        conflicts_find(&root, host, &taken, 1, conflicts);
        assert_int_equal(conflicts->n_conflicts, row->text ? 1 : 0);
        if (row->text) {
                const Conflict *conflict = &conflicts->conflicts[0];

                assert_memory_equal(conflict->text, row->text, strlen(row->text));
                assert_memory_equal(conflict->advice, row->advice, strlen(row->advice));
                assert_int_equal(conflict->breaks, row->breaks);
        }
        root_close(&root);
        fake_host_freep(&fake);
        free(host);
        free(conflicts);
}

/* A machine, and what is found for one function of it. */
typedef struct Machine {
        FakeHost *fake;
        Root root;
        Host host;
        Conflicts found;
} Machine;

static Machine *machine_new(void) {
        Machine *m = calloc(1, sizeof(*m));

        m->fake = fake_host_new();
        assert_int_equal(root_open(fake_host_path(m->fake), &m->root), 0);
        return m;
}

static void machine_find(Machine *m, PciAddress taken) {
        assert_int_equal(host_scan_all(&m->root, &m->host), 0);
        conflicts_find(&m->root, &m->host, &taken, 1, &m->found);
}

static void machine_free(Machine *m) {
        root_close(&m->root);
        fake_host_freep(&m->fake);
        free(m);
}

/* Wanted by its package, and masked by the administrator. */
static void test_masked(void **state) {
        Machine *m = machine_new();

        fake_host_add_gpu(m->fake, NVIDIA, .driver = "nvidia", .group = 1);
        fake_host_write(m->fake, "usr/lib/systemd/system/a.target.wants/supergfxd.service", "");
        fake_host_write(m->fake, WANTS "x", "");
        assert_int_equal(symlinkat("/dev/null", m->root.fd, WANTS "supergfxd.service"), 0);
        machine_find(m, (PciAddress){ 0, 1, 0, 0 });
        assert_int_equal(m->found.n_conflicts, 0);
        machine_free(m);
}

/* However deep and many they are, the search ends. */
static void test_many_hooks(void **state) {
        Machine *m = machine_new();
        char path[800] = "etc/libvirt/hooks";

        fake_host_add_nic(m->fake, NIC, 5);
        for (unsigned i = 0; i < 90; i++) {
                (void)strcat(path, "/deeper");
                (void)snprintf(path + strlen(path), 32, "/hook");
                fake_host_write(m->fake, path, NIC "\n");
                path[strlen(path) - strlen("/hook")] = '\0';
        }
        machine_find(m, (PciAddress){ 0, 5, 0, 0 });
        assert_int_equal(m->found.n_conflicts, CONFLICTS_MAX);
        machine_free(m);
}

/* Nobody writes to the FIFO; guests that are alike share hooks; a link may lead back. */
static void test_linked_hooks(void **state) {
        Machine *m = machine_new();

        fake_host_add_nic(m->fake, NIC, 5);
        fake_host_write(m->fake, "etc/shared-hooks/start", NIC "\n");
        fake_host_write(m->fake, "etc/libvirt/hooks/daemon", "");
        assert_int_equal(symlinkat("../../shared-hooks", m->root.fd, "etc/libvirt/hooks/shared"),
                         0);
        assert_int_equal(symlinkat(".", m->root.fd, "etc/libvirt/hooks/again"), 0);
        assert_int_equal(mkfifoat(m->root.fd, "etc/libvirt/hooks/fifo", 0600), 0);
        (void)alarm(20); /* where it is opened all the same */
        machine_find(m, (PciAddress){ 0, 5, 0, 0 });
        (void)alarm(0);
        assert_int_equal(m->found.n_conflicts, 1);
        assert_non_null(strstr(m->found.conflicts[0].text, "/shared/start names " NIC));
        machine_free(m);
}

/* What does not break a switch is said by its plan. */
static void test_plan_note(void **state) {
        FakeHost *fake = fake_host_new();
        Plan *plan = calloc(1, sizeof(*plan));
        Config *config = calloc(1, sizeof(*config));
        Host *host = calloc(1, sizeof(*host));
        Refusal refusal = { 0 };
        Root root;

        fake_host_add_nic(fake, NIC, 5);
        fake_host_write(fake, "etc/libvirt/hooks/qemu", NIC "\n");
        assert_int_equal(root_open(fake_host_path(fake), &root), 0);
        assert_int_equal(host_scan_all(&root, host), 0);
        (void)strcpy(plan->mode, "router");
        (void)strcpy(config->fallback_mode, "host");
        plan->vfio[plan->n_vfio++] = (PciAddress){ 0, 5, 0, 0 };
        plan->n_steps = 1;
        assert_int_equal(conflicts_judge(&root, config, host, plan, &refusal), REFUSAL_NONE);
        assert_int_equal(plan->n_notes, 1);
        assert_non_null(strstr(plan->notes[0], "The libvirt hook /etc/libvirt/hooks/qemu names"));
        root_close(&root);
        fake_host_freep(&fake);
        free(host);
        free(config);
        free(plan);
}

static void test_more_than_fit(void **state) {
        Conflicts conflicts = { 0 };

        (void)state;
        for (int i = 0; i < 2 * CONFLICTS_MAX; i++)
                conflicts_add(&conflicts, false, "", "%d", i);
        assert_int_equal(conflicts.n_conflicts, CONFLICTS_MAX);
        assert_string_equal(conflicts.conflicts[CONFLICTS_MAX - 1].text, "15");
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_owner, rows);
        table_add(&table, "supergfxd is masked", test_masked, NULL);
        table_add(&table, "hooks below hooks", test_many_hooks, NULL);
        table_add(&table, "linked hooks and what is no hook", test_linked_hooks, NULL);
        table_add(&table, "a warning is a note of the plan", test_plan_note, NULL);
        table_add(&table, "no more than fit are kept", test_more_than_fit, NULL);
        return table_run("conflicts", &table);
}
