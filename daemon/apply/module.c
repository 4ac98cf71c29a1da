/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only user of libkmod. What a blacklist holds back is left out of a list beforehand, where it
 * is: of what is asked for by name, and of what is needed for that, nothing. So probe flags are 0:
 * no KMOD_PROBE_APPLY_BLACKLIST.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libkmod.h>
#include <stdio.h>
#include <string.h>

#include "host/modprobe-scan.h"
#include "model/modprobe-config.h"
#include "module.h"

#define LIBRARY "libkmod.so.2"
#define VFIO_PCI_MODULE "vfio_pci"

typedef struct Kmod {
        void *library;
        struct kmod_ctx *context;
        __typeof__(kmod_new) *new;
        __typeof__(kmod_unref) *unref;
        __typeof__(kmod_module_new_from_lookup) *lookup;
        __typeof__(kmod_list_next) *next;
        __typeof__(kmod_module_get_module) *get;
        __typeof__(kmod_module_get_name) *name;
        __typeof__(kmod_module_get_install_commands) *install;
        __typeof__(kmod_module_probe_insert_module) *insert;
        __typeof__(kmod_module_new_from_name) *by_name;
        __typeof__(kmod_module_remove_module) *remove;
        __typeof__(kmod_module_apply_filter) *filter;
        __typeof__(kmod_module_unref) *module_unref;
        __typeof__(kmod_module_unref_list) *list_unref;
} Kmod;

typedef struct Symbol {
        const char *name;
        void **address;
} Symbol;

static int find_symbols(Kmod *kmod) {
        const Symbol symbols[] = {
                { "kmod_new", (void **)&kmod->new },
                { "kmod_unref", (void **)&kmod->unref },
                { "kmod_module_new_from_lookup", (void **)&kmod->lookup },
                { "kmod_list_next", (void **)&kmod->next },
                { "kmod_module_get_module", (void **)&kmod->get },
                { "kmod_module_get_name", (void **)&kmod->name },
                { "kmod_module_get_install_commands", (void **)&kmod->install },
                { "kmod_module_probe_insert_module", (void **)&kmod->insert },
                { "kmod_module_new_from_name", (void **)&kmod->by_name },
                { "kmod_module_remove_module", (void **)&kmod->remove },
                { "kmod_module_apply_filter", (void **)&kmod->filter },
                { "kmod_module_unref", (void **)&kmod->module_unref },
                { "kmod_module_unref_list", (void **)&kmod->list_unref },
        };

        for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
                *symbols[i].address = dlsym(kmod->library, symbols[i].name);
                if (!*symbols[i].address)
                        return -EOPNOTSUPP;
        }
        return 0;
}

static void kmod_close(Kmod *kmod) {
        if (kmod->context)
                (void)kmod->unref(kmod->context);
        if (kmod->library)
                (void)dlclose(kmod->library);
}

static int kmod_open(const Root *root, Kmod *kmod) {
        int r;

        if (!root->is_live)
                return -EOPNOTSUPP;
        kmod->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!kmod->library)
                return -EOPNOTSUPP;
        r = find_symbols(kmod);
        if (r < 0)
                return r;
        kmod->context = kmod->new(NULL, NULL);
        return kmod->context ? 0 : -ENOMEM;
}

/* Returns how many there are, or the last error. */
static int insert_all(const Kmod *kmod, struct kmod_list *list) {
        struct kmod_list *item = list;
        int n = 0, r = 0;

        while (item) {
                struct kmod_module *module = kmod->get(item);
                int error = kmod->insert(module, 0, NULL, NULL, NULL, NULL);

                if (error < 0 && error != -EEXIST)
                        r = error;
                (void)kmod->module_unref(module);
                item = kmod->next(list, item);
                n++;
        }
        return r < 0 ? r : n;
}

static int load_alias(const Kmod *kmod, const char *alias, ModuleChoice choice) {
        struct kmod_list *list = NULL, *allowed = NULL;
        int r;

        r = kmod->lookup(kmod->context, alias, &list);
        if (r >= 0 && choice == MODULE_ALLOWED)
                r = kmod->filter(kmod->context, KMOD_FILTER_BLACKLIST, list, &allowed);
        if (r >= 0)
                r = insert_all(kmod, choice == MODULE_ALLOWED ? allowed : list);
        (void)kmod->list_unref(allowed);
        (void)kmod->list_unref(list);
        return r;
}

/* An alias of modprobe.d's own is found before, and in place of, those that modules have (libkmod
 * 30, 34). People have given cards to vfio-pci so. */
static bool is_given_away(const Kmod *kmod, const char *modalias) {
        struct kmod_list *list = NULL;
        bool is_given_away;

        if (strncmp(modalias, "pci:", strlen("pci:")) != 0 ||
            kmod->lookup(kmod->context, modalias, &list) < 0)
                return false;
        is_given_away = list != NULL;
        for (struct kmod_list *item = list; item; item = kmod->next(list, item)) {
                struct kmod_module *module = kmod->get(item);

                is_given_away &= module_is_no_home(kmod->name(module));
                (void)kmod->module_unref(module);
        }
        (void)kmod->list_unref(list);
        return is_given_away;
}

/* By their names, which no alias of a device's answers. */
static int load_its_own(const Root *root, const Kmod *kmod, const char *modalias,
                        ModuleChoice choice) {
        ModulesFor modules;
        int n = 0, r;

        r = modules_for(root, modalias, &modules);
        for (size_t i = 0; i < modules.n; i++) {
                int loaded = load_alias(kmod, modules.names[i], choice);

                if (loaded < 0)
                        r = loaded; /* the next may be the right one all the same */
                else
                        n += loaded;
        }
        return r < 0 ? r : n;
}

int module_load_for(const Root *root, const char *alias, ModuleChoice choice) {
        _cleanup_(kmod_close) Kmod kmod = { 0 };
        int r;

        r = kmod_open(root, &kmod);
        if (r < 0)
                return r;
        if (is_given_away(&kmod, alias))
                return load_its_own(root, &kmod, alias, choice);
        return load_alias(&kmod, alias, choice);
}

/* Modules for a device: all there are, and those that udev would load. */
static void count_for(const Root *root, const char *modalias, bool *ret_any, bool *ret_allowed) {
        _cleanup_(kmod_close) Kmod kmod = { 0 };
        struct kmod_list *list = NULL, *allowed = NULL;

        *ret_any = *ret_allowed = false;
        if (kmod_open(root, &kmod) < 0 || kmod.lookup(kmod.context, modalias, &list) < 0)
                return;
        *ret_any = list;
        *ret_allowed =
                kmod.filter(kmod.context, KMOD_FILTER_BLACKLIST, list, &allowed) >= 0 && allowed;
        (void)kmod.list_unref(allowed);
        (void)kmod.list_unref(list);
}

bool module_exists_for(const Root *root, const char *modalias) {
        bool any, allowed;

        count_for(root, modalias, &any, &allowed);
        return allowed;
}

bool module_is_blacklisted_for(const Root *root, const char *modalias) {
        bool any, allowed;

        count_for(root, modalias, &any, &allowed);
        return any && !allowed;
}

/* vfio_pci itself is for every function, and no two variants are for the same one (6.12). */
static void find_variant(const Kmod *kmod, ModuleVariant *variant) {
        struct kmod_list *list = NULL, *allowed = NULL;
        char alias[sizeof("vfio_") + sizeof(variant->modalias)];

        (void)snprintf(alias, sizeof(alias), "vfio_%s", variant->modalias);
        if (kmod->lookup(kmod->context, alias, &list) >= 0)
                (void)kmod->filter(kmod->context, KMOD_FILTER_BLACKLIST, list, &allowed);
        for (struct kmod_list *item = allowed; item; item = kmod->next(allowed, item)) {
                struct kmod_module *module = kmod->get(item);
                const char *name = kmod->name(module);

                if (variant->name[0] == '\0' && strcmp(name, VFIO_PCI_MODULE) != 0 &&
                    config_driver_is_valid(name))
                        (void)snprintf(variant->name, sizeof(variant->name), "%s", name);
                (void)kmod->module_unref(module);
        }
        (void)kmod->list_unref(allowed);
        (void)kmod->list_unref(list);
}

int module_find_variants(const Root *root, ModuleVariant *variants, size_t n) {
        _cleanup_(kmod_close) Kmod kmod = { 0 };
        int r;

        for (size_t i = 0; i < n; i++)
                variants[i].name[0] = '\0';
        r = kmod_open(root, &kmod);
        for (size_t i = 0; r >= 0 && i < n; i++)
                find_variant(&kmod, &variants[i]);
        return r;
}

static bool is_replaced(const char *command) {
        return command && !modprobe_install_loads(command);
}

static void count_home(const Kmod *kmod, struct kmod_list *list, struct kmod_list *allowed,
                       ModuleHome *ret) {
        for (struct kmod_list *item = list; item; item = kmod->next(list, item)) {
                struct kmod_module *module = kmod->get(item);

                ret->n++;
                if (is_replaced(kmod->install(module))) {
                        ret->n_replaced++;
                        (void)snprintf(ret->name, sizeof(ret->name), "%s", kmod->name(module));
                }
                (void)kmod->module_unref(module);
        }
        for (struct kmod_list *item = allowed; item; item = kmod->next(allowed, item)) {
                struct kmod_module *module = kmod->get(item);

                ret->n_usable += !is_replaced(kmod->install(module));
                (void)kmod->module_unref(module);
        }
}

int module_find_home(const Root *root, const char *modalias, ModuleHome *ret) {
        _cleanup_(kmod_close) Kmod kmod = { 0 };
        struct kmod_list *list = NULL, *allowed = NULL;
        int r;

        if (!root->is_live)
                return module_home_scan(root, modalias, ret);
        *ret = (ModuleHome){ .n = 0 };
        r = kmod_open(root, &kmod);
        if (r >= 0)
                r = kmod.lookup(kmod.context, modalias, &list);
        if (r < 0)
                return r;
        ret->is_given_away = is_given_away(&kmod, modalias);
        r = kmod.filter(kmod.context, KMOD_FILTER_BLACKLIST, list, &allowed);
        if (r >= 0)
                count_home(&kmod, list, allowed, ret);
        (void)kmod.list_unref(allowed);
        (void)kmod.list_unref(list);
        return r < 0 ? r : 0;
}

int module_load(const Root *root, const char *name) {
        int r = module_load_for(root, name, MODULE_ANY);

        if (r == 0)
                return -ENOENT;
        return r < 0 ? r : 0;
}

int module_unload(const Root *root, const char *name) {
        _cleanup_(kmod_close) Kmod kmod = { 0 };
        struct kmod_module *module = NULL;
        int r;

        r = kmod_open(root, &kmod);
        if (r >= 0)
                r = kmod.by_name(kmod.context, name, &module);
        if (r < 0)
                return r;
        r = kmod.remove(module, KMOD_REMOVE_NOWAIT);
        (void)kmod.module_unref(module);
        return r == -ENOENT ? 0 : r;
}
