/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files first: what a guest has of a card's ROM is in most cases one, and reading it touches no
 * device. As root, since QEMU may read what others may not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/plural.h"
#include "check-guest-roms.h"
#include "host/apparmor-scan.h"
#include "model/apparmor-rules.h"
#include "model/device.h"
#include "model/rom-check.h"

#define FILES_MAX 32 /* of a mode: other checks need their room */

typedef struct GuestRomsCheck {
        const Situation *now;
        const GuestDefinitions *guests;
        Inspection *ret;
        char *rules; /* of AppArmor, for libvirt's guests; NULL: none, or not known */
        size_t n_checked, n_left_out;
} GuestRomsCheck;

/* Of a file that is there; by the path that is named, not by what that may be a link to. */
static bool is_confined(const GuestRomsCheck *check, const GuestRomFile *file) {
        return file->error == 0 && file->rom->path[0] == '/' && check->rules &&
               file->guest->hypervisor == GUEST_OF_LIBVIRT &&
               !apparmor_rules_let_read(check->rules, file->rom->path);
}

static void check_file(GuestRomsCheck *check, GuestRomFile *file) {
        const char *path = file->rom->path + strspn(file->rom->path, "/");
        _cleanup_free_ char *data = NULL;
        mode_t mode = 0;
        ssize_t n = 0;

        if (check->n_checked == FILES_MAX) {
                check->n_left_out++;
                return;
        }
        if (file->rom->path[0] == '/')
                n = file_read_plain_at(check->now->root->fd, path, PCI_ROM_SIZE_MAX, &data, &mode);
        file->error = n < 0 ? (int)n : 0;
        file->data = (const uint8_t *)data;
        file->size = n < 0 ? 0 : (size_t)n;
        file->is_for_all = mode & S_IROTH;
        file->is_confined = is_confined(check, file);
        guest_rom_check(file, check->ret);
        check->n_checked++;
}

static void check_function(GuestRomsCheck *check, const ConfigDevice *device,
                           const Function *function) {
        for (size_t i = 0; i < check->guests->n; i++) {
                const GuestDefinition *guest = &check->guests->guests[i];

                for (size_t j = 0; j < guest->roms.n; j++)
                        if (pci_address_compare(guest->roms.roms[j].address, function->address) ==
                            0)
                                check_file(check,
                                           &(GuestRomFile){ .device = device->name,
                                                            .guest = guest,
                                                            .rom = &guest->roms.roms[j],
                                                            .id = function->id,
                                                            .is_of_captured =
                                                                    !check->now->root->is_live });
        }
}

static void check_device(GuestRomsCheck *check, const ConfigDevice *device) {
        const Host *host = &check->now->host;
        char id[sizeof(INSPECTION_GUEST_ROM) + CONFIG_NAME_SIZE];
        PciAddress functions[DEVICE_FUNCTIONS_MAX];
        Refusal refusal;
        size_t n = 0;

        if (device_resolve(device, host, functions, &n, &refusal) != REFUSAL_NONE)
                return;
        check->n_left_out = 0;
        for (size_t i = 0; i < n; i++) {
                const Function *function = host_find(host, functions[i]);

                if (function)
                        check_function(check, device, function);
        }
        for (size_t i = 0; n > 0 && i < check->guests->n; i++)
                if (vm_names_function(&check->guests->guests[i].vm, functions[0]))
                        check->n_left_out += check->guests->guests[i].roms.n_left_out;
        if (check->n_left_out == 0)
                return;
        (void)snprintf(id, sizeof(id), INSPECTION_GUEST_ROM "%s", device->name);
        inspection_add_check(check->ret, CHECK_WARN, id, "",
                             "%zu more ROM file%s of guests %s not looked at: they are too many, "
                             "or a path is too long.",
                             check->n_left_out, plural_s(check->n_left_out),
                             plural_were(check->n_left_out));
}

void check_guest_roms(const Situation *now, const ConfigMode *mode, const GuestDefinitions *guests,
                      Inspection *ret) {
        GuestRomsCheck check = { .now = now, .guests = guests, .ret = ret };

        if (apparmor_read_guest_rules(now->root, &check.rules) < 0)
                log_warning("What AppArmor lets guests read cannot be found out.");
        for (size_t i = 0; i < now->config.n_devices; i++)
                if (mode->vfio_devices & (UINT32_C(1) << i))
                        check_device(&check, &now->config.devices[i]);
        free(check.rules);
}
