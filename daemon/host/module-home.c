/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "model/kernel-cmdline.h"
#include "model/modules-alias.h"
#include "modprobe-scan.h"
#include "module-home.h"

typedef struct Scan {
        const char *modalias;
        ModulesFor modules;
        bool is_blacklisted[MODULES_FOR_MAX], is_replaced[MODULES_FOR_MAX];
} Scan;

bool module_is_no_home(const char *module) {
        return modprobe_is_same_module(module, "vfio_pci") ||
               modprobe_is_same_module(module, "pci_stub");
}

/* --- which modules --- */

static void hear_alias(_unused_ const char *path, const ModprobeLine *line, _unused_ int error,
                       void *userdata) {
        Scan *scan = userdata;
        ModulesFor *modules = &scan->modules;

        if (line && !line->is_cut && line->command == MODPROBE_ALIAS &&
            modules->n < MODULES_FOR_MAX &&
            modules_alias_is_for(&(ModulesAlias){ line->module, line->value }, scan->modalias) &&
            parse_copy(modules->names[modules->n], CONFIG_DRIVER_SIZE, line->value,
                       strlen(line->value)) >= 0)
                modules->n++;
}

static bool are_no_home(const ModulesFor *modules) {
        for (size_t i = 0; i < modules->n; i++)
                if (!module_is_no_home(modules->names[i]))
                        return false;
        return modules->n > 0;
}

/* Aliases of modprobe.d's own come before, and in place of, those that modules have. */
static int find_modules(const Root *root, Scan *scan, ModuleHome *ret) {
        int r;

        scan->modules.n = 0;
        r = modprobe_scan(root, hear_alias, scan);
        if (r < 0)
                return r;
        ret->is_given_away = are_no_home(&scan->modules);
        return scan->modules.n > 0 ? 0 : modules_for(root, scan->modalias, &scan->modules);
}

/* --- what is left of them --- */

static void hear(_unused_ const char *path, const ModprobeLine *line, _unused_ int error,
                 void *userdata) {
        Scan *scan = userdata;

        for (size_t i = 0; line && i < scan->modules.n; i++) {
                if (!modprobe_is_same_module(line->module, scan->modules.names[i]))
                        continue;
                scan->is_blacklisted[i] |= line->command == MODPROBE_BLACKLIST;
                scan->is_replaced[i] |=
                        line->command == MODPROBE_INSTALL && !modprobe_install_loads(line->value);
        }
}

static void hear_cmdline(const Root *root, Scan *scan) {
        char cmdline[KERNEL_CMDLINE_MAX];

        if (file_read_line_at(root->fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
                return;
        for (size_t i = 0; i < scan->modules.n; i++)
                scan->is_blacklisted[i] |= kernel_cmdline_has_item(cmdline, "modprobe.blacklist",
                                                                   scan->modules.names[i]);
}

int module_home_scan(const Root *root, const char *modalias, ModuleHome *ret) {
        Scan scan = { .modalias = modalias };
        int r;

        *ret = (ModuleHome){ .n = 0 };
        r = find_modules(root, &scan, ret);
        if (r >= 0)
                r = modprobe_scan(root, hear, &scan);
        if (r < 0)
                return r;
        hear_cmdline(root, &scan);
        ret->n = scan.modules.n;
        for (size_t i = 0; i < scan.modules.n; i++) {
                ret->n_usable += !scan.is_blacklisted[i] && !scan.is_replaced[i];
                ret->n_replaced += scan.is_replaced[i];
                if (scan.is_replaced[i])
                        (void)memcpy(ret->name, scan.modules.names[i], sizeof(ret->name));
        }
        return 0;
}
