/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other owners of a device: what is one, what is none, and which of them is a refusal. */
#undef NDEBUG
#include <stdlib.h>
#include <string.h>

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
          "driverctl unset-override " NIC, true },
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
        { "a libvirt hook writes to it", NIC, "etc/libvirt/hooks/qemu",
          "echo vfio-pci > /sys/bus/pci/devices/" NIC "/driver_override\n",
          "The libvirt hook /etc/libvirt/hooks/qemu names " NIC, "Take what moves", false },
        { "a libvirt hook detaches it by its node device", NIC, "etc/libvirt/hooks/qemu.d/10-gpu",
          "virsh nodedev-detach pci_0000_05_00_0\n",
          "The libvirt hook /etc/libvirt/hooks/qemu.d/10-gpu names " NIC, "Take what moves",
          false },
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
        table_add(&table, "no more than fit are kept", test_more_than_fit, NULL);
        return table_run("conflicts", &table);
}
