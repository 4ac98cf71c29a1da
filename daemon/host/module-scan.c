/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "module-scan.h"

#define PATH_SIZE 192

static int read_references(const Root *root, const char *module, uint64_t *ret) {
        char path[PATH_SIZE], text[24];
        int r;

        (void)snprintf(path, sizeof(path), "sys/module/%s/refcnt", module);
        r = (int)file_read_line_at(root->fd, path, text, sizeof(text));
        return r < 0 ? r : parse_decimal(text, UINT32_MAX, ret);
}

unsigned module_read_references(const Root *root, const char *module) {
        uint64_t n;

        return read_references(root, module, &n) < 0 ? 0 : (unsigned)n;
}

/* Returns its place; MODULE_STACK_MAX where there is none. */
static size_t find_or_add(ModuleHolders *modules, const char *name) {
        for (size_t i = 0; i < modules->n; i++)
                if (strcmp(modules->names[i], name) == 0)
                        return i;
        if (modules->n == MODULE_STACK_MAX || !config_driver_is_valid(name)) {
                modules->is_cut = true;
                return MODULE_STACK_MAX;
        }
        (void)snprintf(modules->names[modules->n], CONFIG_DRIVER_SIZE, "%s", name);
        return modules->n++;
}

static void read_holders(const Root *root, ModuleHolders *modules, size_t i) {
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof(path), "sys/module/%s/holders", modules->names[i]);
        dir = file_open_dir_at(root->fd, path);
        while (dir && (entry = readdir(dir))) {
                size_t holder;

                if (entry->d_name[0] == '.')
                        continue;
                modules->n_holders[i]++;
                holder = find_or_add(modules, entry->d_name);
                if (holder < MODULE_STACK_MAX)
                        modules->holders[i] |= UINT32_C(1) << holder;
        }
}

/* One that is built in has no references, and cannot be unloaded. */
void module_scan_above(const Root *root, const char *module, ModuleStack *ret) {
        ModuleHolders modules = { .n = 0 };
        uint64_t n;

        (void)memset(ret, 0, sizeof(*ret));
        if (read_references(root, module, &n) < 0)
                return;
        (void)find_or_add(&modules, module);
        for (size_t i = 0; i < modules.n; i++) {
                modules.n_references[i] = module_read_references(root, modules.names[i]);
                read_holders(root, &modules, i);
        }
        module_stack_order(&modules, ret);
}

static void scan_modules(const Root *root, const char *driver, ModuleStack *ret) {
        char path[PATH_SIZE], name[CONFIG_DRIVER_SIZE];

        (void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/module", driver);
        if (file_read_link_name_at(root->fd, path, name, sizeof(name)) >= 0)
                module_scan_above(root, name, ret);
}

static void scan_functions(const Root *root, const char *driver, ModuleStack *ret) {
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
        dir = file_open_dir_at(root->fd, path);
        while (dir && (entry = readdir(dir))) {
                PciAddress address;

                if (pci_address_parse(entry->d_name, &address) < 0)
                        continue;
                if (ret->n_functions < MODULE_STACK_FUNCTIONS_MAX)
                        ret->functions[ret->n_functions] = address;
                ret->n_functions++;
        }
}

void module_scan(const Root *root, const char *driver, ModuleStack *ret) {
        (void)memset(ret, 0, sizeof(*ret));
        scan_modules(root, driver, ret);
        (void)snprintf(ret->driver, sizeof(ret->driver), "%s", driver);
        scan_functions(root, driver, ret);
}
