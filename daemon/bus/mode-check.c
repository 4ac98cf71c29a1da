/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same rule as vfio-modectl's, and vfio-mode-apply's: without any configuration there still is
 * the way back to `host`.
 */
#include <errno.h>
#include <string.h>

#include "mode-check.h"
#include "view/machine.h"

static RefusalKind refuse_config(const Machine *machine, Refusal *refusal) {
        char text[REFUSAL_TEXT_SIZE];

        if (machine->config.result == -ENOENT)
                return refusal_set(refusal, REFUSAL_CONFIG_INVALID, CONFIG_MISSING);
        return refusal_set(refusal, REFUSAL_CONFIG_INVALID, "%s",
                           config_errors_format(&machine->config.errors, text, sizeof(text)));
}

RefusalKind mode_check(const Root *root, const char *mode, Refusal *refusal) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        const MachineConfig *now, *accepted;
        int r;

        r = machine_read(root, MACHINE_SCAN_NOTHING, &machine);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED, "The machine cannot be read: %s.",
                                   strerror(-r));
        now = &machine->config;
        accepted = &machine->accepted;
        if ((now->result >= 0 && config_find_mode(&now->config, mode)) ||
            (accepted->result >= 0 && config_find_mode(&accepted->config, mode)))
                return REFUSAL_NONE;
        if (now->result >= 0)
                return refusal_set(refusal, REFUSAL_UNKNOWN_MODE, "There is no mode '%s'.", mode);
        if (accepted->result < 0 && strcmp(mode, "host") == 0)
                return REFUSAL_NONE;
        return refuse_config(machine, refusal);
}
