// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a switch meets of NVIDIA's driver, with the real names: a PCI driver whose module does not
 * stay without a card, whose node is character device 195, and whose remove() waits for those that
 * have it open, for ever if it has to, and also while it is told to. It takes QEMU's pci-testdev.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>

#define VENDOR_QUMRANET 0x1b36
#define DEVICE_TESTDEV 0x0005
#define NVIDIA_MAJOR 195

int nvidia_stand_in;
EXPORT_SYMBOL_GPL(nvidia_stand_in);

static bool remove_stalls;
module_param(remove_stalls, bool, 0644);
MODULE_PARM_DESC(remove_stalls, "remove() does not return while this is set");

static atomic_t n_users = ATOMIC_INIT(0);
static atomic_t n_cards = ATOMIC_INIT(0);

static int nvidia_open(struct inode *inode, struct file *file) {
        atomic_inc(&n_users);
        return 0;
}

static int nvidia_release(struct inode *inode, struct file *file) {
        atomic_dec(&n_users);
        return 0;
}

static const struct file_operations fops = { .owner = THIS_MODULE,
                                             .open = nvidia_open,
                                             .release = nvidia_release };

static int nvidia_probe(struct pci_dev *pdev, const struct pci_device_id *id) {
        atomic_inc(&n_cards);
        return 0;
}

static void nvidia_remove(struct pci_dev *pdev) {
        while (atomic_read(&n_users) > 0 || READ_ONCE(remove_stalls))
                msleep(20);
        atomic_dec(&n_cards);
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(VENDOR_QUMRANET, DEVICE_TESTDEV) }, {} };
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver driver = {
        .name = "nvidia",
        .id_table = ids,
        .probe = nvidia_probe,
        .remove = nvidia_remove,
};

static int __init nvidia_init(void) {
        int r;

        r = register_chrdev(NVIDIA_MAJOR, "nvidia", &fops);
        if (r < 0)
                return r;
        r = pci_register_driver(&driver);
        if (r == 0 && atomic_read(&n_cards) == 0) {
                pci_unregister_driver(&driver);
                r = -ENODEV;
        }
        if (r < 0)
                unregister_chrdev(NVIDIA_MAJOR, "nvidia");
        return r;
}

static void __exit nvidia_exit(void) {
        pci_unregister_driver(&driver);
        unregister_chrdev(NVIDIA_MAJOR, "nvidia");
}

module_init(nvidia_init);
module_exit(nvidia_exit);

MODULE_DESCRIPTION("Stands in for NVIDIA's driver, for tests");
MODULE_LICENSE("GPL");
