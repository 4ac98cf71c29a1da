/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <string.h>

#include "module-stack.h"

const WaitingDriver *waiting_driver(const char *name) {
        /* open-gpu-kernel-modules, kernel-open/nvidia/nv-pci.c, nv_pci_remove_helper(): while the
         * card is in use it sleeps, again and again, and cannot be interrupted. */
        static const WaitingDriver drivers[] = {
                { "nvidia", { "nvidia-persistenced.service", "nvidia-powerd.service" } },
        };

        for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
                if (strcmp(drivers[i].name, name) == 0)
                        return &drivers[i];
        return NULL;
}

static void add(const ModuleHolders *from, size_t i, ModuleStack *ret) {
        StackModule *to = &ret->modules[ret->n_modules++];

        (void)memcpy(to->name, from->names[i], sizeof(to->name));
        to->n_users = from->n_references[i] > from->n_holders[i]
                              ? from->n_references[i] - from->n_holders[i]
                              : 0;
}

void module_stack_order(const ModuleHolders *from, ModuleStack *ret) {
        uint32_t added = 0;
        bool goes_on = true;

        ret->n_modules = 0;
        ret->is_tangled = from->is_cut;
        while (goes_on) {
                goes_on = false;
                for (size_t i = from->n; i > 0; i--) {
                        uint32_t bit = UINT32_C(1) << (i - 1);

                        if (added & bit || from->holders[i - 1] & ~added)
                                continue;
                        add(from, i - 1, ret);
                        added |= bit;
                        goes_on = true;
                }
        }
        ret->is_tangled |= ret->n_modules != from->n;
        if (ret->is_tangled)
                ret->n_modules = 0;
}
