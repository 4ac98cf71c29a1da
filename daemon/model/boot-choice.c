/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of sources is the contract of DESIGN §8; sources of later releases (the one-shot EFI
 * variable, the count of unconfirmed boots) go between these.
 */
#include <stdio.h>
#include <string.h>

#include "boot-choice.h"

static void choose(BootChoice *ret, const char *mode, bool as_asked) {
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", mode);
        ret->as_asked = as_asked;
}

static void choose_named(const Config *config, const KernelCmdlineRequest *request,
                         BootChoice *ret) {
        if (!request->mode_is_too_long && strcmp(request->mode, "fallback") == 0) {
                choose(ret, config->fallback_mode, true);
                (void)snprintf(ret->reason, sizeof(ret->reason),
                               "vfio_mode=fallback on the kernel command line");
        } else if (!request->mode_is_too_long && config_find_mode(config, request->mode)) {
                choose(ret, request->mode, true);
                (void)snprintf(ret->reason, sizeof(ret->reason),
                               "vfio_mode=%s on the kernel command line", request->mode);
        } else {
                choose(ret, config->fallback_mode, false);
                (void)snprintf(
                        ret->reason, sizeof(ret->reason),
                        "vfio_mode=%s on the kernel command line names no mode of the configuration",
                        request->mode_is_too_long ? "(too long)" : request->mode);
        }
}

void boot_choose(const Config *config, const KernelCmdlineRequest *request, BootChoice *ret) {
        if (request->mode_is_too_long || request->mode[0] != '\0') {
                choose_named(config, request, ret);
        } else if (request->rescue[0] != '\0') {
                choose(ret, config->fallback_mode, true);
                (void)snprintf(ret->reason, sizeof(ret->reason),
                               "a rescue system was asked for (%s on the kernel command line)",
                               request->rescue);
        } else {
                choose(ret, config->default_mode, true);
                (void)snprintf(ret->reason, sizeof(ret->reason),
                               "default-mode of the configuration");
        }
}
