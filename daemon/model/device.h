/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A configured device, which is an address, an id or both, and the functions that it means on this
 * machine. Pure.
 */
#pragma once

#include <stddef.h>

#include "config.h"
#include "host.h"
#include "refusal.h"

#define DEVICE_FUNCTIONS_MAX (PCI_SLOT_FUNCTIONS + CONFIG_ALSO_MAX)

/**
 * Finds the functions of a configured device on this machine.
 *
 * @ret: the slot's functions in order, then those of `also`; bridges are left out
 * @ret_refusal: filled where another kind than REFUSAL_NONE is returned: not-found,
 * other-device-there, ambiguous-id, config-invalid (a function of `also` is in another IOMMU group)
 */
RefusalKind device_resolve(const ConfigDevice *device, const Host *host,
                           PciAddress ret[static DEVICE_FUNCTIONS_MAX], size_t *ret_n,
                           Refusal *ret_refusal);

/** The device that a function belongs to, by address; NULL where it is configured in none. */
const ConfigDevice *config_device_of(const Config *config, const Host *host, PciAddress address);
