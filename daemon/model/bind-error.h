/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel means by the errno of a write to a driver's `bind` or `unbind`, in a sentence for
 * the user. Pure. Sources: drivers/base/bus.c, dd.c, drivers/vfio (6.1 and 6.12, tried).
 */
#pragma once

#include <stddef.h>

#include "pci-address.h"

/**
 * Writes one or two sentences that name the address, the driver and what to do.
 *
 * @error: negative errno of the write; 0: the write succeeded, but the device is not bound to
 * @driver
 *
 * Returns @buffer.
 */
const char *bind_error_format(PciAddress address, const char *driver, int error, char *buffer,
                              size_t size);
