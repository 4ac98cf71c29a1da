/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configured devices on this machine, function by function, and what a mode wants of each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/pci-names.h"
#include "json.h"
#include "machine.h"
#include "model/config.h"
#include "model/device.h"
#include "model/host.h"
#include "model/refusal.h"
#include "model/run-state.h"

/** A function of a configured device, or a device that cannot be had. */
typedef struct DeviceEntry {
        const ConfigDevice *device; /**< NULL: of a function that belongs to none */
        const Function *function;   /**< NULL: the device cannot be had, `refusal` says why */
        Refusal refusal;
} DeviceEntry;

/** Lists the functions of all configured devices in the order of the configuration. The caller
 * frees it. */
DeviceEntry *devices_list(const Config *config, const Host *host, size_t *ret_n);

/** Lists every function of @host with its device, if it has one; @config may be NULL. The caller
 * frees it. */
DeviceEntry *devices_list_all(const Config *config, const Host *host, size_t *ret_n);

/** The driver that a function has on the host: configured, or before we took it; "": what the
 * kernel picks. */
const char *device_host_driver(const ConfigDevice *device, const Function *function,
                               const RunState *moved);

/** The driver that the mode in force wants for a function, "" for what the kernel picks; NULL where
 * no mode wants anything. */
const char *machine_wanted_driver(const Machine *machine, const DeviceEntry *entry);

/** The word for a driver: its name, or @nothing where it is "". */
const char *driver_word(const char *driver, const char *nothing);

/** A function with its names, ids and drivers, as every verb shows it. */
json_object *function_to_json(const DeviceEntry *entry, PciNames *names);
