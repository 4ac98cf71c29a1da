/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "device.h"
#include "rescue.h"

static bool is_boot_vga(const ConfigDevice *device, const Host *host) {
        PciAddress functions[DEVICE_FUNCTIONS_MAX];
        Refusal refusal;
        size_t n = 0;

        if (device_resolve(device, host, functions, &n, &refusal) != REFUSAL_NONE)
                return false;
        for (size_t i = 0; i < n; i++) {
                const Function *function = host_find(host, functions[i]);

                if (function && function->boot_vga)
                        return true;
        }
        return false;
}

bool rescue_takes_screen(const Config *config, const ConfigMode *mode, const Host *host) {
        uint32_t devices = config_own_devices(config, mode);

        for (size_t i = 0; i < config->n_devices; i++)
                if (devices & 1u << i && is_boot_vga(&config->devices[i], host))
                        return true;
        return false;
}

bool rescue_is_wanted(const Config *config, const ConfigMode *mode, const Host *host) {
        if (strcmp(mode->name, config->fallback_mode) == 0 || mode->rescue == CONFIG_RESCUE_NONE)
                return false;
        return mode->rescue == CONFIG_RESCUE_POWER_BUTTON ||
               rescue_takes_screen(config, mode, host);
}
