/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds a configured device among the functions of a machine. What is not exactly as configured is
 * refused here, before anybody makes a plan of it.
 */

#include "device.h"

/* The slot of the one function 0 that has the id. */
static RefusalKind find_slot_by_id(const ConfigDevice *device, const Host *host, PciAddress *ret,
                                   Refusal *refusal) {
        char id[PCI_ID_SIZE], first[PCI_ADDRESS_SIZE], second[PCI_ADDRESS_SIZE];
        const Function *found = NULL;

        for (size_t i = 0; i < host->n_functions; i++) {
                const Function *function = &host->functions[i];

                if (function->address.function != 0 || !pci_id_equal(function->id, device->id))
                        continue;
                if (found)
                        return refusal_set(
                                refusal, REFUSAL_AMBIGUOUS_ID,
                                "Device '%s' is configured by its id %s alone, but both %s and %s "
                                "have it; add the address of the one that is meant.",
                                device->name, pci_id_format(device->id, id),
                                pci_address_format(found->address, first),
                                pci_address_format(function->address, second));
                found = function;
        }
        if (!found)
                return refusal_set(refusal, REFUSAL_NOT_FOUND,
                                   "Device '%s' is not in this machine: no slot has the id %s.",
                                   device->name, pci_id_format(device->id, id));
        *ret = found->address;
        return REFUSAL_NONE;
}

/* The configured address, if what is there is what the configuration expects. */
static RefusalKind check_slot(const ConfigDevice *device, const Host *host, Refusal *refusal) {
        char address[PCI_ADDRESS_SIZE], there[PCI_ID_SIZE], configured[PCI_ID_SIZE];
        const Function *function = host_find(host, device->address);

        if (!function)
                return refusal_set(refusal, REFUSAL_NOT_FOUND,
                                   "Device '%s' is not in this machine: there is nothing at %s.",
                                   device->name, pci_address_format(device->address, address));
        if (device->has_id && !pci_id_equal(function->id, device->id))
                return refusal_set(
                        refusal, REFUSAL_OTHER_DEVICE_THERE,
                        "Device '%s' should be a %s, but %s is a %s; was the card swapped or did it "
                        "move? Correct the address or the id.",
                        device->name, pci_id_format(device->id, configured),
                        pci_address_format(device->address, address),
                        pci_id_format(function->id, there));
        return REFUSAL_NONE;
}

static RefusalKind add_slot_functions(const ConfigDevice *device, const Host *host, PciAddress slot,
                                      PciAddress *ret, size_t *n, Refusal *refusal) {
        char text[PCI_ADDRESS_SIZE];

        for (unsigned number = 0; number < PCI_SLOT_FUNCTIONS; number++) {
                PciAddress address = slot;
                const Function *function;

                if (!(device->functions & (1u << number)))
                        continue;
                address.function = (uint8_t)number;
                function = host_find(host, address);
                if (function && !function_is_bridge(function))
                        ret[(*n)++] = address;
                else if (!function && device->functions != CONFIG_FUNCTIONS_ALL)
                        return refusal_set(
                                refusal, REFUSAL_NOT_FOUND,
                                "Device '%s' has no function %u: there is nothing at %s.",
                                device->name, number, pci_address_format(address, text));
        }
        return REFUSAL_NONE;
}

/* What is not in the device's group is a device of its own, with its own id to check. */
static RefusalKind add_also(const ConfigDevice *device, const Host *host, PciAddress *ret,
                            size_t *n, Refusal *refusal) {
        const Function *first = *n > 0 ? host_find(host, ret[0]) : NULL;
        char text[PCI_ADDRESS_SIZE];

        for (size_t i = 0; i < device->n_also; i++) {
                const Function *function = host_find(host, device->also[i]);

                if (!function)
                        return refusal_set(refusal, REFUSAL_NOT_FOUND,
                                           "Device '%s' also takes %s, but there is nothing there.",
                                           device->name, pci_address_format(device->also[i], text));
                if (first && first->iommu_group != function->iommu_group)
                        return refusal_set(refusal, REFUSAL_CONFIG_INVALID,
                                           "Device '%s' also takes %s, which is not in its IOMMU "
                                           "group; give it a [device] section of its own.",
                                           device->name, pci_address_format(device->also[i], text));
                if (!function_is_bridge(function))
                        ret[(*n)++] = function->address;
        }
        return REFUSAL_NONE;
}

RefusalKind device_resolve(const ConfigDevice *device, const Host *host,
                           PciAddress ret[static DEVICE_FUNCTIONS_MAX], size_t *ret_n,
                           Refusal *ret_refusal) {
        PciAddress slot = device->address;
        RefusalKind kind;
        size_t n = 0;

        if (device->has_address)
                kind = check_slot(device, host, ret_refusal);
        else
                kind = find_slot_by_id(device, host, &slot, ret_refusal);
        if (kind == REFUSAL_NONE)
                kind = add_slot_functions(device, host, slot, ret, &n, ret_refusal);
        if (kind == REFUSAL_NONE)
                kind = add_also(device, host, ret, &n, ret_refusal);
        if (kind == REFUSAL_NONE)
                *ret_n = n;
        return kind;
}

const ConfigDevice *config_device_of(const Config *config, const Host *host, PciAddress address) {
        for (size_t i = 0; i < config->n_devices; i++) {
                PciAddress functions[DEVICE_FUNCTIONS_MAX];
                Refusal refusal;
                size_t n;

                if (device_resolve(&config->devices[i], host, functions, &n, &refusal) !=
                    REFUSAL_NONE)
                        continue;
                for (size_t j = 0; j < n; j++)
                        if (pci_address_compare(functions[j], address) == 0)
                                return &config->devices[i];
        }
        return NULL;
}
