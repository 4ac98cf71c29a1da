/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel: Documentation/ABI/testing/{sysfs-bus-pci,sysfs-kernel-iommu_groups}; the addresses in
 * /proc/iomem need rights (kernel/resource.c), the names do not.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "connectors.h"
#include "device-facts.h"
#include "firmware-framebuffer.h"
#include "pci-rom-scan.h"
#include "proc-tables.h"

#define PATH_SIZE 128
#define BARS 6
#define SMALL_FILE_SIZE 4096
#define IOMEM_MAX (1024 * 1024)

static ssize_t read_attribute(const Root *root, PciAddress address, const char *name, char *buffer,
                              size_t size) {
        char path[PATH_SIZE], text[PCI_ADDRESS_SIZE];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s",
                       pci_address_format(address, text), name);
        n = file_read_line_at(root->fd, path, buffer, size);
        if (n < 0)
                buffer[0] = '\0';
        return n;
}

/* --- BARs --- */

/* The n-th line of `resource`: its first and last address, and flags. */
static uint64_t bar_size(const char *resources, unsigned n) {
        uint64_t start, end;
        char *rest;

        while (n-- > 0)
                proc_next_line(&resources);
        start = strtoull(resources, &rest, 16);
        end = strtoull(rest, NULL, 16);
        return end > start ? end - start + 1 : 0;
}

/* A set of sizes: bit n is 2^n MiB. */
static uint64_t least_mib(uint64_t sizes) {
        return sizes & -sizes;
}

/* A look at its sizes would wake one that sleeps (resource_resize_show, 6.1); `resource` does not.
 */
static uint64_t read_least_mib(const Root *root, PciAddress address, unsigned bar, uint64_t mib) {
        char name[sizeof("resource0_resize")], sizes[32];

        (void)snprintf(name, sizeof(name), "resource%u_resize", bar);
        if (read_attribute(root, address, name, sizes, sizeof(sizes)) <= 0)
                return mib;
        return least_mib(strtoull(sizes, NULL, 16));
}

static void read_bars(const Root *root, PciAddress address, FunctionFacts *ret) {
        char path[PATH_SIZE], text[PCI_ADDRESS_SIZE];
        _cleanup_free_ char *resources = NULL;

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/resource",
                       pci_address_format(address, text));
        if (file_read_alloc_at(root->fd, path, SMALL_FILE_SIZE, &resources) < 0)
                return;
        ret->bars_are_known = true;
        for (unsigned n = 0; n < BARS; n++) {
                uint64_t mib = bar_size(resources, n) >> 20;

                if (mib <= ret->bar_mib)
                        continue;
                ret->bar = n;
                ret->bar_mib = mib;
        }
        if (strcmp(ret->power_state, "D0") == 0)
                ret->bar_least_mib = read_least_mib(root, address, ret->bar, ret->bar_mib);
}

/* --- the firmware's framebuffer --- */

/* What lies in a function's memory is indented below a line that has its address for a name. */
static void find_framebuffer(const char *iomem, PciAddress address, FunctionFacts *ret) {
        char owner[PCI_ADDRESS_SIZE], name[PCI_ADDRESS_SIZE];
        unsigned depth, own_depth = UINT_MAX;

        (void)pci_address_format(address, owner);
        while (proc_iomem_next(&iomem, &depth, name, sizeof(name)))
                if (depth > own_depth && firmware_framebuffer_is_claim(name))
                        (void)snprintf(ret->framebuffer, sizeof(ret->framebuffer), "%s", name);
                else if (depth <= own_depth)
                        own_depth = strcmp(name, owner) == 0 ? depth : UINT_MAX;
}

/* --- */

/* "direct": mapped for the firmware's sake; "direct-relaxable": for a driver's only. */
static bool has_reserved_region(const Root *root, int group) {
        _cleanup_free_ char *text = NULL;
        char path[PATH_SIZE];
        const char *cursor;

        (void)snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/reserved_regions", group);
        if (group < 0 || file_read_alloc_at(root->fd, path, SMALL_FILE_SIZE, &text) < 0)
                return false;
        for (cursor = text; *cursor; proc_next_line(&cursor)) {
                size_t length = strcspn(cursor, "\n");

                if (length >= strlen(" direct") &&
                    memcmp(cursor + length - strlen(" direct"), " direct", strlen(" direct")) == 0)
                        return true;
        }
        return false;
}

void device_facts_read(const Root *root, const Host *host, const PciAddress *taken, size_t n_taken,
                       DeviceFacts *facts) {
        _cleanup_free_ char *iomem = NULL;

        facts->other_screen = connectors_have_screen(root, taken, n_taken);
        if (file_read_alloc_at(root->fd, "proc/iomem", IOMEM_MAX, &iomem) < 0)
                iomem = NULL;
        facts->memory_is_known = iomem;
        for (size_t i = 0; i < facts->n_functions; i++) {
                PciAddress address = facts->functions[i];
                FunctionFacts *ret = &facts->facts[i];
                const Function *function;

                *ret = (FunctionFacts){ 0 };
                (void)read_attribute(root, address, "reset_method", ret->reset, sizeof(ret->reset));
                (void)read_attribute(root, address, "power_state", ret->power_state,
                                     sizeof(ret->power_state));
                read_bars(root, address, ret);
                ret->rom_is_known = pci_rom_scan(root, address, &ret->rom) >= 0;
                if (iomem)
                        find_framebuffer(iomem, address, ret);
                function = host_find(host, address);
                ret->has_reserved_region =
                        function && has_reserved_region(root, function->iommu_group);
        }
}
