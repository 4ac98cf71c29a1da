/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads sysfs. One read of `modalias` gives ids and class; `uevent`, which has them too, takes the
 * device lock and would hang with a stuck driver (kernel 6.1). driver_override does as well on
 * kernels before 6.12.80: the plan needs it, and others do without it while a switch is under way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "host-scan.h"
#include "memory-scan.h"
#include "module-scan.h"

#define PCI_DEVICES "sys/bus/pci/devices"
#define VFIO_DRIVER_DIR "sys/bus/pci/drivers/vfio-pci"
#define VFIO_IOMMU_DIR "sys/module/vfio_iommu_type1"
#define IOMMU_CLASS_DIR "sys/class/iommu"
#define IOMMU_GROUPS_DIR "sys/kernel/iommu_groups"

#define PATH_SIZE 128

typedef char DevicePath[PATH_SIZE];

static const char *device_path(PciAddress address, const char *attribute, DevicePath path) {
        char text[PCI_ADDRESS_SIZE];

        (void)snprintf(path, PATH_SIZE, PCI_DEVICES "/%s/%s", pci_address_format(address, text),
                       attribute);
        return path;
}

static bool exists(const Root *root, const char *path) {
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

/* --- one function --- */

static int read_modalias(const Root *root, Function *function) {
        char text[128];
        PciModalias modalias;
        DevicePath path;
        ssize_t n;
        int r;

        n = file_read_line_at(root->fd, device_path(function->address, "modalias", path), text,
                              sizeof(text));
        if (n < 0)
                return (int)n;
        r = pci_modalias_parse(text, &modalias);
        if (r < 0)
                return r;
        function->id = modalias.id;
        function->class_code = modalias.class_code;
        return 0;
}

/*
 * An unset override reads "(null)". One that could not be a driver's name (nobody checks what is
 * written there) is shown as far as it fits; it matches no driver anyway.
 */
static int read_override(const Root *root, Function *function) {
        char text[4096 + 1];
        DevicePath path;
        ssize_t n;

        n = file_read_line_at(root->fd, device_path(function->address, "driver_override", path),
                              text, sizeof(text));
        if (n == -ENOENT)
                return 0;
        if (n < 0)
                return (int)n;
        if (strcmp(text, "(null)") != 0)
                (void)snprintf(function->driver_override, sizeof(function->driver_override), "%.*s",
                               CONFIG_DRIVER_SIZE - 1, text);
        return 0;
}

static int read_links(const Root *root, Function *function) {
        char group[16];
        DevicePath path;
        uint64_t number;
        ssize_t n;

        n = file_read_link_name_at(root->fd, device_path(function->address, "driver", path),
                                   function->driver, sizeof(function->driver));
        if (n < 0 && n != -ENOENT)
                return (int)n;
        n = file_read_link_name_at(root->fd, device_path(function->address, "iommu_group", path),
                                   group, sizeof(group));
        if (n == -ENOENT)
                return 0;
        if (n < 0)
                return (int)n;
        if (parse_decimal(group, INT32_MAX, &number) < 0)
                return -EBADMSG;
        function->iommu_group = (int)number;
        return 0;
}

/* Variant drivers (mlx5-vfio-pci, nvgrace-gpu-vfio-pci, ...) are known by their vfio-dev child. */
static bool is_on_vfio(const Root *root, const Function *function) {
        DevicePath path;

        if (function->driver[0] == '\0')
                return false;
        return strcmp(function->driver, "vfio-pci") == 0 ||
               exists(root, device_path(function->address, "vfio-dev", path));
}

static bool is_boot_vga(const Root *root, const Function *function) {
        char text[4];
        DevicePath path;

        if (function->class_code >> 8 != PCI_CLASS_VGA)
                return false;
        return file_read_line_at(root->fd, device_path(function->address, "boot_vga", path), text,
                                 sizeof(text)) > 0 &&
               strcmp(text, "1") == 0;
}

static int scan_function(const Root *root, PciAddress address, bool without_override,
                         Function *ret) {
        Function function = { .address = address, .iommu_group = -1 };
        int r;

        r = read_modalias(root, &function);
        if (r >= 0)
                r = read_links(root, &function);
        if (r >= 0 && !without_override)
                r = read_override(root, &function);
        if (r < 0)
                return r;
        function.on_vfio = is_on_vfio(root, &function);
        function.boot_vga = is_boot_vga(root, &function);
        *ret = function;
        return 0;
}

int host_scan_function(const Root *root, PciAddress address, Function *ret) {
        return scan_function(root, address, false, ret);
}

int host_look_at_function(const Root *root, PciAddress address, Function *ret) {
        return scan_function(root, address, true, ret);
}

/* --- the functions that matter --- */

static size_t position_of(const Host *host, PciAddress address) {
        size_t i = host->n_functions;

        while (i > 0 && pci_address_compare(host->functions[i - 1].address, address) >= 0)
                i--;
        return i;
}

/*
 * A device may be missing (ENOENT), and may vanish between open and read (ENODEV): no error of
 * ours.
 */
static bool is_gone(int error) {
        return error == -ENOENT || error == -ENODEV;
}

static int add_function(const Root *root, PciAddress address, Host *host) {
        size_t i = position_of(host, address);
        Function function;
        int r;

        if (i < host->n_functions && pci_address_compare(host->functions[i].address, address) == 0)
                return 0;
        r = scan_function(root, address, host->without_overrides, &function);
        if (r < 0)
                return is_gone(r) ? 0 : r;
        if (host->n_functions == HOST_FUNCTIONS_MAX)
                return -ENOSPC;
        (void)memmove(&host->functions[i + 1], &host->functions[i],
                      (host->n_functions - i) * sizeof(host->functions[0]));
        host->functions[i] = function;
        host->n_functions++;
        return 0;
}

static int add_slot(const Root *root, PciAddress slot, Host *host) {
        int r = 0;

        for (uint8_t number = 0; number < PCI_SLOT_FUNCTIONS && r >= 0; number++) {
                slot.function = number;
                r = add_function(root, slot, host);
        }
        return r;
}

typedef int (*Visit)(const Root *root, PciAddress address, void *userdata);

/* Visits every address that a directory of links lists. No such directory: none. */
static int for_each_address(const Root *root, const char *path, Visit visit, void *userdata) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, path);
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0) {
                const struct dirent *entry;
                PciAddress address;

                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                if (pci_address_parse(entry->d_name, &address) >= 0)
                        r = visit(root, address, userdata);
        }
        return r;
}

static int visit_any(const Root *root, PciAddress address, void *userdata) {
        return add_function(root, address, userdata);
}

/* For a list: a function that cannot be read is left out, not the list. */
static int visit_readable(const Root *root, PciAddress address, void *userdata) {
        int r = add_function(root, address, userdata);

        return r == -ENOSPC ? r : 0;
}

typedef struct IdSearch {
        const Config *config;
        Host *host;
} IdSearch;

static int visit_if_configured_id(const Root *root, PciAddress address, void *userdata) {
        const IdSearch *search = userdata;
        Function function = { .address = address };
        int r;

        r = read_modalias(root, &function);
        if (r < 0)
                return is_gone(r) ? 0 : r;
        for (size_t i = 0; i < search->config->n_devices; i++) {
                const ConfigDevice *device = &search->config->devices[i];

                if (!device->has_address && pci_id_equal(device->id, function.id))
                        return add_slot(root, address, search->host);
        }
        return 0;
}

static int add_configured(const Root *root, const Config *config, Host *host) {
        IdSearch search = { config, host };
        bool by_id = false;
        int r = 0;

        for (size_t i = 0; i < config->n_devices && r >= 0; i++) {
                const ConfigDevice *device = &config->devices[i];

                by_id |= !device->has_address;
                if (device->has_address)
                        r = add_slot(root, device->address, host);
                for (size_t j = 0; j < device->n_also && r >= 0; j++)
                        r = add_function(root, device->also[j], host);
        }
        if (by_id && r >= 0)
                r = for_each_address(root, PCI_DEVICES, visit_if_configured_id, &search);
        return r;
}

static bool group_was_added(const int *groups, size_t n, int group) {
        for (size_t i = 0; i < n; i++)
                if (groups[i] == group)
                        return true;
        return false;
}

static int add_group_members(const Root *root, Host *host) {
        int groups[HOST_FUNCTIONS_MAX];
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; i < host->n_functions; i++)
                if (host->functions[i].iommu_group >= 0 &&
                    !group_was_added(groups, n, host->functions[i].iommu_group))
                        groups[n++] = host->functions[i].iommu_group;
        for (size_t i = 0; i < n && r >= 0; i++) {
                char path[PATH_SIZE];

                (void)snprintf(path, sizeof(path), IOMMU_GROUPS_DIR "/%d/devices", groups[i]);
                r = for_each_address(root, path, visit_any, host);
        }
        return r;
}

static bool has_iommu(const Root *root) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, IOMMU_CLASS_DIR);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        return true;
        return false;
}

static void scan_machine(const Root *root, Host *host) {
        host->iommu = has_iommu(root);
        host->vfio_pci = exists(root, VFIO_DRIVER_DIR);
        host->vfio_iommu_type1 = exists(root, VFIO_IOMMU_DIR);
}

/* Of the first such function: there is one such driver. */
static void scan_stack(const Root *root, Host *host) {
        (void)memset(&host->stack, 0, sizeof(host->stack));
        for (size_t i = 0; i < host->n_functions; i++)
                if (waiting_driver(host->functions[i].driver)) {
                        module_scan(root, host->functions[i].driver, &host->stack);
                        return;
                }
}

static bool needs_memory(const Config *config, const RunState *state) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (state->home_pools[size].is_known)
                        return true;
        for (size_t i = 0; config && i < config->n_modes; i++)
                if (hugepages_are_wanted(&config->modes[i].hugepages))
                        return true;
        return false;
}

static int scan(const Root *root, const Config *config, const RunState *state, Host *ret) {
        int r = 0;

        ret->n_functions = 0;
        scan_machine(root, ret);
        ret->memory = (Memory){ 0 };
        if (needs_memory(config, state))
                memory_scan(root, &ret->memory);
        if (config)
                r = add_configured(root, config, ret);
        for (size_t i = 0; i < state->n_homes && r >= 0; i++)
                r = add_function(root, state->homes[i].address, ret);
        if (r >= 0)
                r = add_group_members(root, ret);
        scan_stack(root, ret);
        return r;
}

int host_scan(const Root *root, const Config *config, const RunState *state, Host *ret) {
        ret->without_overrides = false;
        return scan(root, config, state, ret);
}

int host_scan_beside(const Root *root, const Config *config, const RunState *state, Host *ret) {
        ret->without_overrides = true;
        return scan(root, config, state, ret);
}

static int scan_all(const Root *root, Host *ret) {
        int r;

        ret->n_functions = 0;
        scan_machine(root, ret);
        memory_scan(root, &ret->memory);
        r = for_each_address(root, PCI_DEVICES, visit_readable, ret);
        scan_stack(root, ret);
        return r;
}

int host_scan_all(const Root *root, Host *ret) {
        ret->without_overrides = false;
        return scan_all(root, ret);
}

int host_scan_all_beside(const Root *root, Host *ret) {
        ret->without_overrides = true;
        return scan_all(root, ret);
}
