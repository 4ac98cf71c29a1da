/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By devices, not by functions: a mode hands out a device whole. Which of its functions a virtual
 * machine names does not matter.
 */
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "vm-request.h"

#define NAMES_SIZE 256

/* What no mode hands out is none of our affair, also where it is named beside something else. */
static uint32_t find_handed_out(const Config *config) {
        uint32_t devices = 0;

        for (size_t i = 0; i < config->n_modes; i++)
                devices |= config->modes[i].vfio_devices;
        return devices;
}

/* A bit for each device of a mode that it names; whether all of what it names of them is on vfio.
 */
static uint32_t find_devices(const Config *config, const Host *host, const Vm *vm,
                             bool *ret_ready) {
        uint32_t handed_out = find_handed_out(config), devices = 0;

        *ret_ready = true;
        for (size_t i = 0; i < config->n_devices; i++) {
                PciAddress functions[DEVICE_FUNCTIONS_MAX];
                Refusal refusal;
                size_t n = 0;

                if (!(handed_out & 1u << i) || device_resolve(&config->devices[i], host, functions,
                                                              &n, &refusal) != REFUSAL_NONE)
                        continue;
                for (size_t j = 0; j < n; j++) {
                        const Function *function = host_find(host, functions[j]);

                        if (!vm_names_function(vm, functions[j]))
                                continue;
                        devices |= 1u << i;
                        *ret_ready &= function && function->on_vfio;
                }
        }
        return devices;
}

static bool has_all(const ConfigMode *mode, uint32_t devices) {
        return (devices & ~mode->vfio_devices) == 0;
}

static RefusalKind refuse(const Config *config, const ConfigMode *candidate, uint32_t devices,
                          const char *mode, const Vm *vm, Refusal *refusal) {
        const char *device = "";

        for (size_t i = config->n_devices; i-- > 0;)
                if (devices & 1u << i)
                        device = config->devices[i].name;
        return refusal_set(
                refusal, REFUSAL_NOT_FOR_VM,
                "'%s' wants %s, which mode '%s' has%s%s%s: switch by `vfio-modectl switch "
                "%s`, or set switch-for-vm = yes in [mode %s].",
                vm->name, device, candidate->name, mode[0] != '\0' ? ", and not '" : "", mode,
                mode[0] != '\0' ? "'" : "", candidate->name, candidate->name);
}

/* No switch would help it, and started it would be given what the host has by now. */
static RefusalKind refuse_all(const Config *config, uint32_t devices, const Vm *vm,
                              Refusal *refusal) {
        char names[NAMES_SIZE] = "";
        size_t length = 0;

        for (size_t i = 0; i < config->n_devices && length < sizeof(names); i++)
                if (devices & 1u << i)
                        length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
                                                   length > 0 ? " and " : "",
                                                   config->devices[i].name);
        return refusal_set(refusal, REFUSAL_NOT_FOR_VM,
                           "'%s' wants %s, which no mode has together: put them into the "
                           "vfio-devices of one mode.",
                           vm->name, names);
}

/* No mode is in force beside a device that is stuck, say: what the fallback mode has, such as a
 * router's, is nobody else's then, since that mode is all that comes next. */
static bool has_for_sure(const Config *config, const ConfigMode *now, const char *mode,
                         uint32_t devices) {
        const ConfigMode *has =
                mode[0] == '\0' ? config_find_mode(config, config->fallback_mode) : now;

        return has && has_all(has, devices);
}

RefusalKind vm_request_decide(const Config *config, const Host *host, const char *mode,
                              const Vm *vm, VmDecision *ret, char ret_mode[static CONFIG_NAME_SIZE],
                              Refusal *refusal) {
        const ConfigMode *now = mode[0] != '\0' ? config_find_mode(config, mode) : NULL;
        const ConfigMode *candidate = NULL, *allowed = NULL;
        bool is_ready;
        uint32_t devices = find_devices(config, host, vm, &is_ready);

        *ret = VM_NONE;
        for (size_t i = 0; i < config->n_modes; i++) {
                const ConfigMode *of = &config->modes[i];

                if (!has_all(of, devices))
                        continue;
                if (!candidate)
                        candidate = of;
                if (!allowed && of->switch_for_vm)
                        allowed = of;
        }
        if (devices == 0)
                return REFUSAL_NONE;
        *ret = VM_SWITCH;
        if (!candidate)
                return refuse_all(config, devices, vm, refusal);
        *ret = VM_READY;
        if (has_for_sure(config, now, mode, devices) && is_ready)
                return REFUSAL_NONE;
        *ret = VM_SWITCH;
        /* What the mode in force has is mended, whatever that says. */
        if (now && has_all(now, devices))
                allowed = now;
        if (!allowed)
                return refuse(config, candidate, devices, mode, vm, refusal);
        (void)snprintf(ret_mode, CONFIG_NAME_SIZE, "%s", allowed->name);
        return REFUSAL_NONE;
}

const char *vm_decision_name(VmDecision decision) {
        static const char *const names_of[] = {
                [VM_NONE] = "none",
                [VM_READY] = "ready",
                [VM_SWITCH] = "switched",
        };

        return names_of[decision];
}
