/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts the configuration and the machine side by side. What a device means on this machine is
 * model/device's; this only lists it.
 */
#include "devices.h"
#include "words.h"

static DeviceEntry *add_entry(DeviceEntry **entries, size_t *n) {
        *entries = must_have(reallocarray(*entries, *n + 1, sizeof(**entries)));
        (*entries)[*n] = (DeviceEntry){ 0 };
        return &(*entries)[(*n)++];
}

static void add_device(DeviceEntry **entries, size_t *n, const ConfigDevice *device,
                       const Host *host) {
        PciAddress functions[DEVICE_FUNCTIONS_MAX];
        Refusal refusal = { 0 };
        size_t n_functions = 0;
        DeviceEntry *entry;

        if (device_resolve(device, host, functions, &n_functions, &refusal) != REFUSAL_NONE) {
                entry = add_entry(entries, n);
                entry->device = device;
                entry->refusal = refusal;
        }
        for (size_t i = 0; i < n_functions; i++) {
                entry = add_entry(entries, n);
                entry->device = device;
                entry->function = host_find(host, functions[i]);
        }
}

DeviceEntry *devices_list(const Config *config, const Host *host, size_t *ret_n) {
        DeviceEntry *entries = NULL;
        size_t n = 0;

        for (size_t i = 0; i < config->n_devices; i++)
                add_device(&entries, &n, &config->devices[i], host);
        *ret_n = n;
        return entries;
}

DeviceEntry *devices_list_all(const Config *config, const Host *host, size_t *ret_n) {
        DeviceEntry *entries = NULL;
        size_t n = 0;

        for (size_t i = 0; i < host->n_functions; i++) {
                DeviceEntry *entry = add_entry(&entries, &n);

                entry->function = &host->functions[i];
                if (config)
                        entry->device = config_device_of(config, host, entry->function->address);
        }
        *ret_n = n;
        return entries;
}

const char *device_host_driver(const ConfigDevice *device, const Function *function,
                               const RunState *moved) {
        const HomeFunction *home = run_state_find_home(moved, function->address);

        if (device && device->host_driver[0] != '\0' && function->address.function == 0)
                return device->host_driver;
        return home && !driver_is_no_home(home->driver) ? home->driver : "";
}

const char *machine_wanted_driver(const Machine *machine, const DeviceEntry *entry) {
        const Config *config = machine_accepted_config(machine);
        const ConfigMode *mode = config_find_mode(config, machine_mode(machine));

        if (!mode || !entry->function)
                return NULL;
        return device_is_wanted_on_vfio(config, mode, entry->device)
                       ? function_vfio_driver(entry->function)
                       : device_host_driver(entry->device, entry->function, &machine->moved);
}

const char *driver_word(const char *driver, const char *nothing) {
        return driver[0] != '\0' ? driver : nothing;
}

json_object *function_to_json(const DeviceEntry *entry, PciNames *names) {
        const Function *function = entry->function;
        char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE], text[256];
        json_object *object = json_new();

        json_add_string(object, "device", entry->device ? entry->device->name : NULL);
        if (!function) {
                json_add_string(object, "problem", refusal_name(entry->refusal.kind));
                json_add_string(object, "text", entry->refusal.text);
                return object;
        }
        json_add_string(object, "address", pci_address_format(function->address, address));
        json_add_string(object, "id", pci_id_format(function->id, id));
        json_add_string(object, "name", pci_names_device(names, function->id, text, sizeof(text)));
        (void)snprintf(text, sizeof(text), "%06x", function->class_code);
        json_add_string(object, "class", text);
        json_add_string(object, "class_name",
                        pci_names_class(names, function->class_code, text, sizeof(text)));
        json_add_word(object, "driver", function->driver);
        json_add_word(object, "driver_override", function->driver_override);
        if (function->iommu_group >= 0)
                json_add_integer(object, "iommu_group", function->iommu_group);
        else
                json_add(object, "iommu_group", NULL);
        json_add_bool(object, "boot_vga", function->boot_vga);
        return object;
}
