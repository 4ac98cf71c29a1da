/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about the facts of a machine. Pure: nothing here looks at the machine itself.
 */
#include <string.h>

#include "host.h"

const Function *host_find(const Host *host, PciAddress address) {
        for (size_t i = 0; i < host->n_functions; i++)
                if (pci_address_compare(host->functions[i].address, address) == 0)
                        return &host->functions[i];
        return NULL;
}

RefusalKind refusal_set_holder(Refusal *refusal, PciAddress function, const Holder *holder,
                               const char *verb) {
        char address[PCI_ADDRESS_SIZE];

        (void)pci_address_format(function, address);
        if (holder->pid == HOLDER_UNSEEN)
                return refusal_set(refusal, REFUSAL_BUSY,
                                   "%s %s by a process that cannot be seen from here; shut that "
                                   "guest down first.",
                                   address, verb);
        (void)refusal_set(refusal, REFUSAL_BUSY,
                          "%s %s by process %d (%s); shut that guest down first.", address, verb,
                          holder->pid, holder->command);
        refusal_set_public(refusal,
                           "%s %s by a process, not named to everybody; shut that guest down "
                           "first.",
                           address, verb);
        return REFUSAL_BUSY;
}

const char *function_vfio_driver(const Function *function) {
        if (function->on_vfio)
                return function->driver;
        return function->variant[0] != '\0' ? function->variant : VFIO_DRIVER;
}

bool driver_name_is_vfio(const char *driver) {
        return strstr(driver, "vfio") != NULL;
}

bool driver_is_no_home(const char *driver) {
        return driver_name_is_vfio(driver) || strcmp(driver, "pci-stub") == 0;
}

bool function_is_bridge(const Function *function) {
        return function->class_code >> 16 == PCI_CLASS_BASE_BRIDGE;
}

bool function_is_display(const Function *function) {
        return function->class_code >> 16 == PCI_CLASS_BASE_DISPLAY;
}

bool function_is_media(const Function *function) {
        return function_is_display(function) ||
               function->class_code >> 16 == PCI_CLASS_BASE_MULTIMEDIA;
}

bool function_leaves_group_viable(const Function *function) {
        static const char *const harmless[] = { "", "pci-stub", "pcieport" };

        if (function->on_vfio || function_is_bridge(function))
                return true;
        if (function->will_bind)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
                if (strcmp(function->driver, harmless[i]) == 0)
                        return true;
        return false;
}

const char *function_display_module(const Function *function, size_t index) {
        static const struct {
                uint16_t vendor;
                const char *modules[2];
        } displays[] = { { 0x10de, { "nvidia", "nouveau" } },
                         { 0x1002, { "amdgpu", "radeon" } },
                         { 0x8086, { "i915", "xe" } } };

        for (size_t i = 0; function_is_display(function) && i < ARRAY_SIZE(displays); i++)
                if (displays[i].vendor == function->id.vendor)
                        return index < ARRAY_SIZE(displays[i].modules) ? displays[i].modules[index]
                                                                       : NULL;
        return NULL;
}
