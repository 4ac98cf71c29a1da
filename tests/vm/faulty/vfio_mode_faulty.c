// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A PCI driver that fails as real ones do, when it is told to: its probe() refuses with any errno
 * or does not return, its remove() does not return. It takes QEMU's pci-testdev and does nothing
 * with it. Parameters in /sys/module/vfio_mode_faulty/parameters say what goes wrong and for which
 * function; they are looked at whenever something is done, and all the time while it stalls.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>

#define VENDOR_QUMRANET 0x1b36
#define DEVICE_TESTDEV 0x0005

static char probe_at[16];
module_param_string(probe_at, probe_at, sizeof(probe_at), 0644);
MODULE_PARM_DESC(probe_at, "address of the function whose probe goes wrong; empty: of every one");

static int probe_errno;
module_param(probe_errno, int, 0644);
MODULE_PARM_DESC(probe_errno, "what its probe fails with; 0: it does not fail");

static bool probe_stalls;
module_param(probe_stalls, bool, 0644);
MODULE_PARM_DESC(probe_stalls, "its probe does not return while this is set");

static char remove_at[16];
module_param_string(remove_at, remove_at, sizeof(remove_at), 0644);
MODULE_PARM_DESC(remove_at, "address of the function whose remove goes wrong; empty: of every one");

static bool remove_stalls;
module_param(remove_stalls, bool, 0644);
MODULE_PARM_DESC(remove_stalls, "its remove does not return while this is set");

/* What echo(1) has written ends with a newline. */
static bool is_meant(const struct pci_dev *pdev, const char *address) {
        return !address[0] || address[0] == '\n' || sysfs_streq(pci_name(pdev), address);
}

/* As drivers do that wait for their last user: no signal ends it. */
static void stall(struct pci_dev *pdev, const char *what, const bool *stalls) {
        pci_warn(pdev, "%s stalls\n", what);
        while (READ_ONCE(*stalls))
                msleep(20);
        pci_warn(pdev, "%s goes on\n", what);
}

static int faulty_probe(struct pci_dev *pdev, const struct pci_device_id *id) {
        if (!is_meant(pdev, probe_at))
                return 0;
        if (READ_ONCE(probe_stalls))
                stall(pdev, "probe", &probe_stalls);
        return -abs(READ_ONCE(probe_errno));
}

static void faulty_remove(struct pci_dev *pdev) {
        if (is_meant(pdev, remove_at) && READ_ONCE(remove_stalls))
                stall(pdev, "remove", &remove_stalls);
}

static const struct pci_device_id faulty_ids[] = { { PCI_DEVICE(VENDOR_QUMRANET, DEVICE_TESTDEV) },
                                                   {} };
MODULE_DEVICE_TABLE(pci, faulty_ids);

static struct pci_driver faulty_driver = {
        .name = "faulty-testdev",
        .id_table = faulty_ids,
        .probe = faulty_probe,
        .remove = faulty_remove,
};
module_pci_driver(faulty_driver);

MODULE_DESCRIPTION("PCI driver that fails on demand, for tests");
MODULE_LICENSE("GPL");
