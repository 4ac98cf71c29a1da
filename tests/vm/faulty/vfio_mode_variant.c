// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A variant of vfio-pci, as some devices have one: for QEMU's pci-testdev, and bound only where
 * driver_override names it. It does what vfio-pci does. Its name is not its module's.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#define VENDOR_QUMRANET 0x1b36
#define DEVICE_TESTDEV 0x0005

static bool probe_refuses;
module_param(probe_refuses, bool, 0644);
MODULE_PARM_DESC(probe_refuses, "its probe fails with EIO");

static int variant_open_device(struct vfio_device *device) {
        struct vfio_pci_core_device *core = container_of(device, struct vfio_pci_core_device, vdev);
        int r = vfio_pci_core_enable(core);

        if (r == 0)
                vfio_pci_core_finish_enable(core);
        return r;
}

static const struct vfio_device_ops variant_ops = {
        .name = "stand-in-vfio-pci",
        .init = vfio_pci_core_init_dev,
        .release = vfio_pci_core_release_dev,
        .open_device = variant_open_device,
        .close_device = vfio_pci_core_close_device,
        .ioctl = vfio_pci_core_ioctl,
        .device_feature = vfio_pci_core_ioctl_feature,
        .read = vfio_pci_core_read,
        .write = vfio_pci_core_write,
        .mmap = vfio_pci_core_mmap,
        .request = vfio_pci_core_request,
        .match = vfio_pci_core_match,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
        .bind_iommufd = vfio_iommufd_physical_bind,
        .unbind_iommufd = vfio_iommufd_physical_unbind,
        .attach_ioas = vfio_iommufd_physical_attach_ioas,
        .detach_ioas = vfio_iommufd_physical_detach_ioas,
#endif
};

static int variant_probe(struct pci_dev *pdev, const struct pci_device_id *id) {
        struct vfio_pci_core_device *core;
        int r;

        if (READ_ONCE(probe_refuses))
                return -EIO;
        core = vfio_alloc_device(vfio_pci_core_device, vdev, &pdev->dev, &variant_ops);
        if (IS_ERR(core))
                return PTR_ERR(core);
        dev_set_drvdata(&pdev->dev, core);
        r = vfio_pci_core_register_device(core);
        if (r < 0)
                vfio_put_device(&core->vdev);
        return r;
}

static void variant_remove(struct pci_dev *pdev) {
        struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

        vfio_pci_core_unregister_device(core);
        vfio_put_device(&core->vdev);
}

static const struct pci_device_id variant_ids[] = {
        { PCI_DRIVER_OVERRIDE_DEVICE_VFIO(VENDOR_QUMRANET, DEVICE_TESTDEV) }, {}
};
MODULE_DEVICE_TABLE(pci, variant_ids);

static struct pci_driver variant_driver = {
        .name = "stand-in-vfio-pci",
        .id_table = variant_ids,
        .probe = variant_probe,
        .remove = variant_remove,
        .err_handler = &vfio_pci_core_err_handlers,
        .driver_managed_dma = true,
};
module_pci_driver(variant_driver);

MODULE_DESCRIPTION("Variant of vfio-pci, for tests");
MODULE_LICENSE("GPL");
