/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only user of libkmod. kmod's probe flags are left at 0: no KMOD_PROBE_APPLY_BLACKLIST.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libkmod.h>

#include "module.h"

#define LIBRARY "libkmod.so.2"

typedef struct Kmod {
        void *library;
        __typeof__(kmod_new) *new;
        __typeof__(kmod_unref) *unref;
        __typeof__(kmod_module_new_from_lookup) *lookup;
        __typeof__(kmod_list_next) *next;
        __typeof__(kmod_module_get_module) *get;
        __typeof__(kmod_module_probe_insert_module) *insert;
        __typeof__(kmod_module_unref) *module_unref;
        __typeof__(kmod_module_unref_list) *list_unref;
} Kmod;

static void kmod_close(Kmod *kmod) {
        if (kmod->library)
                (void)dlclose(kmod->library);
}

static int kmod_open(Kmod *ret) {
        static const char *const names[] = {
                "kmod_new",
                "kmod_unref",
                "kmod_module_new_from_lookup",
                "kmod_list_next",
                "kmod_module_get_module",
                "kmod_module_probe_insert_module",
                "kmod_module_unref",
                "kmod_module_unref_list",
        };
        Kmod kmod = { .library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL) };
        void **const symbols[] = {
                (void **)&kmod.new,          (void **)&kmod.unref,      (void **)&kmod.lookup,
                (void **)&kmod.next,         (void **)&kmod.get,        (void **)&kmod.insert,
                (void **)&kmod.module_unref, (void **)&kmod.list_unref,
        };

        if (!kmod.library)
                return -EOPNOTSUPP;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                *symbols[i] = dlsym(kmod.library, names[i]);
                if (!*symbols[i]) {
                        kmod_close(&kmod);
                        return -EOPNOTSUPP;
                }
        }
        *ret = kmod;
        return 0;
}

/* Goes through what a look-up found, and inserts it if asked to. Returns how many, or the last
 * error. */
static int walk(const Kmod *kmod, struct kmod_list *list, bool insert) {
        struct kmod_list *item = list;
        int n = 0, r = 0;

        while (item) {
                struct kmod_module *module = kmod->get(item);
                int error = insert ? kmod->insert(module, 0, NULL, NULL, NULL, NULL) : 0;

                if (error < 0 && error != -EEXIST)
                        r = error;
                (void)kmod->module_unref(module);
                item = kmod->next(list, item);
                n++;
        }
        return r < 0 ? r : n;
}

static int look_up(const Root *root, const char *alias, bool insert) {
        _cleanup_(kmod_close) Kmod kmod = { 0 };
        struct kmod_list *list = NULL;
        struct kmod_ctx *context;
        int r;

        if (!root->is_live)
                return -EOPNOTSUPP;
        r = kmod_open(&kmod);
        if (r < 0)
                return r;
        context = kmod.new(NULL, NULL);
        if (!context)
                return -ENOMEM;
        r = kmod.lookup(context, alias, &list);
        if (r >= 0)
                r = walk(&kmod, list, insert);
        (void)kmod.list_unref(list);
        (void)kmod.unref(context);
        return r;
}

int module_load_for(const Root *root, const char *modalias) {
        return look_up(root, modalias, true);
}

bool module_exists_for(const Root *root, const char *modalias) {
        return look_up(root, modalias, false) > 0;
}

int module_load(const Root *root, const char *name) {
        int r = module_load_for(root, name);

        if (r == 0)
                return -ENOENT;
        return r < 0 ? r : 0;
}
