/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-pci's errors mean other things than those of an ordinary driver's probe, so there are two
 * tables.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bind-error.h"
#include "host.h"

typedef struct Meaning {
        int error;
        const char *text;
} Meaning;

static const Meaning vfio_meanings[] = {
        { EINVAL,
          "it has no usable IOMMU group (is the IOMMU on?) or is of a kind that VFIO does not take" },
        { EBUSY,
          "it is bound to another driver already, or has virtual functions enabled; disable those first" },
        { ENODEV,
          "it vanished, or something changed its driver_override; look for another tool that manages it" },
        { ENOENT, "the VFIO driver is not there; is the module installed for this kernel?" },
        { EPERM, "the kernel forbids it; is it locked down?" },
};

static const Meaning host_meanings[] = {
        { EBUSY,
          "it is bound already, or a guest owns another device of its IOMMU group; shut that guest down" },
        { ENODEV,
          "the driver does not know this device, or its driver_override names another driver; "
          "correct host-driver" },
        { ENOENT, "the driver is not there; is its module installed for this kernel?" },
        { EAGAIN, "the driver waits for something that is not there yet; try again later" },
        { EIO,
          "the driver could not start the device; the kernel log says more, and a reboot may be needed" },
};

static const char *look_up(const Meaning *meanings, size_t n, int error) {
        for (size_t i = 0; i < n; i++)
                if (meanings[i].error == error)
                        return meanings[i].text;
        return "the kernel log says more";
}

const char *bind_error_format(PciAddress address, const char *driver, int error, char *buffer,
                              size_t size) {
        char text[PCI_ADDRESS_SIZE];
        const char *meaning;

        (void)pci_address_format(address, text);
        if (driver_name_is_vfio(driver))
                meaning = look_up(vfio_meanings, ARRAY_SIZE(vfio_meanings), -error);
        else
                meaning = look_up(host_meanings, ARRAY_SIZE(host_meanings), -error);
        if (error == 0)
                (void)snprintf(
                        buffer, size,
                        "%s was not bound to %s, though the kernel reported no error: another driver "
                        "may have been faster.",
                        text, driver);
        else
                (void)snprintf(buffer, size, "%s could not be bound to %s (%s): %s.", text, driver,
                               strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error",
                               meaning);
        return buffer;
}
