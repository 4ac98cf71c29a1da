/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of verbs.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "verbs.h"

static const struct {
        const char *name;
        RefusalKind (*run)(const Root *root);
        RefusalKind (*run_with)(const Root *root, const char *object);
} verbs[] = {
        { "leave", NULL, apply_leave },
        { "boot", apply_boot, NULL },
        { "fallback", apply_fallback, NULL },
        { "replug", NULL, apply_replug },
        { "confirm", apply_confirm, NULL },
        { "revert", apply_revert, NULL },
        { "late-return", apply_late_return, NULL },
        { "cut-short", apply_cut_short, NULL },
        { "disarm", apply_disarm, NULL },
        { "verdict", apply_verdict, NULL },
        { "inspect", NULL, apply_inspect },
        { "print-inspection", NULL, apply_print_inspection },
        { "rom", NULL, apply_rom },
        { "one-shot", NULL, apply_one_shot },
        { "grub-environment", apply_grub_environment, NULL },
        { "grub-modes", apply_grub_modes, NULL },
        { "initramfs", apply_initramfs, NULL },
        { "initramfs-files", NULL, apply_initramfs_files },
};

int apply_run_verb(const Root *root, const ApplyVerb *verb) {
        if (verb->object && strcmp(verb->name, "switch") == 0)
                return (int)apply_switch(root, verb->object, verb->without_units);
        if (verb->without_units)
                return -EINVAL;
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
                if (strcmp(verb->name, verbs[i].name) != 0)
                        continue;
                if (verb->object && verbs[i].run_with)
                        return (int)verbs[i].run_with(root, verb->object);
                if (!verb->object && verbs[i].run)
                        return (int)verbs[i].run(root);
        }
        return -EINVAL;
}
