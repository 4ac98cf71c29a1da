/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By devices, as a hook decides (model/vm-request): of which functions a guest names does not
 * matter. A guest of libvirt or Proxmox VE that starts with the machine starts in the mode that the
 * boot went to.
 */
#include <stdio.h>
#include <string.h>

#include "check-guests.h"
#include "host/hook-facts.h"
#include "model/device.h"

#define NAMES_SIZE 192

typedef struct GuestCheck {
        const Situation *now;
        uint32_t own; /* the devices that the fallback mode does not have */
        NextBootOutlook outlook;
        const ConfigMode *mode;
        const ConfigMode *booted; /* NULL: not known */
        Inspection *ret;
        size_t n_warned, n_named, n_unlisted; /* n_unlisted: names has no room for them */
        char names[NAMES_SIZE];
} GuestCheck;

/* Of one that is not found there are none. */
static size_t find_functions(const Situation *now, size_t device,
                             PciAddress functions[static DEVICE_FUNCTIONS_MAX]) {
        Refusal refusal;
        size_t n = 0;

        return device_resolve(&now->config.devices[device], &now->host, functions, &n, &refusal) ==
                               REFUSAL_NONE
                       ? n
                       : 0;
}

/* A bit for each device of the configuration. */
static uint32_t find_devices(const Situation *now, const GuestDefinition *guest) {
        uint32_t devices = 0;

        for (size_t i = 0; i < now->config.n_devices; i++) {
                PciAddress functions[DEVICE_FUNCTIONS_MAX];
                size_t n = find_functions(now, i, functions);

                for (size_t j = 0; j < n; j++)
                        if (vm_names_function(&guest->vm, functions[j]))
                                devices |= UINT32_C(1) << i;
        }
        return devices;
}

static bool has_all(const ConfigMode *mode, uint32_t devices) {
        return (devices & ~mode->vfio_devices) == 0;
}

/* The mode that a hook would switch to; NULL: none may be. */
static const ConfigMode *find_allowed(const Config *config, uint32_t devices) {
        for (size_t i = 0; i < config->n_modes; i++)
                if (config->modes[i].switch_for_vm && has_all(&config->modes[i], devices))
                        return &config->modes[i];
        return NULL;
}

/* No command that a shell would take for one about another guest. */
static void advise(const GuestDefinition *guest, const char *instead, char advice[static 256]) {
        int n = -1;

        if (!strchr(guest->vm.name, '\''))
                n = snprintf(advice, 256,
                             guest->hypervisor == GUEST_OF_LIBVIRT
                                     ? "%s, or: virsh autostart --disable '%s'"
                                     : "%s, or: qm set %s --onboot 0",
                             instead, guest->vm.name);
        if (n < 0 || n >= 256)
                (void)snprintf(advice, 256, "%s.", instead);
}

static void judge_autostart(GuestCheck *check, const GuestDefinition *guest, uint32_t devices) {
        const Config *config = &check->now->config;
        bool is_held = strcmp(check->outlook.kind, "config") != 0;
        char advice[256];

        if (!check->booted || has_all(check->booted, devices))
                return;
        if (find_allowed(config, devices) && !is_held)
                return;
        check->n_warned++;
        if (is_held)
                advise(guest, "vfio-modectl release, after the boot", advice);
        else
                advise(guest, "Set switch-for-vm = yes", advice);
        inspection_add_check(
                check->ret, CHECK_WARN, "guests", advice,
                "'%s' of %s starts with the machine and names a device that mode '%s', to which "
                "the next boot goes, has not: the hook refuses it, since %s. Without the hook it "
                "takes the device all the same.",
                guest->vm.name, guest_hypervisor_name(guest->hypervisor), check->booted->name,
                is_held ? "that mode was somebody's choice and is held"
                        : "no mode that has it may be switched to for a guest");
}

/* Of libvirt there is one for all guests. */
static void check_hook(const GuestCheck *check, const GuestDefinition *guest) {
        ProxmoxHookFacts facts;

        hook_facts_read_proxmox(check->now->root, guest->hookscript, &facts);
        proxmox_hook_check(guest, &facts, check->mode, check->ret);
}

/* What the fallback mode has on vfio-pci as well may be bound to it at any time. */
static void check_driver(const GuestCheck *check, const GuestDefinition *guest) {
        PciAddress functions[DEVICE_FUNCTIONS_MAX];
        const PciAddress *bound = NULL;

        for (size_t i = 0; !bound && i < check->now->config.n_devices; i++)
                if (check->own >> i & 1)
                        bound = guest_find_bound(guest, functions,
                                                 find_functions(check->now, i, functions));
        proxmox_driver_check(guest, bound, check->ret);
}

static void look_at(GuestCheck *check, const GuestDefinition *guest) {
        uint32_t devices = find_devices(check->now, guest);
        size_t length = strlen(check->names);
        int n;

        if ((devices & check->own) == 0)
                return;
        check->n_named++;
        n = snprintf(check->names + length, NAMES_SIZE - length, "%s'%s'%s", length > 0 ? ", " : "",
                     guest->vm.name, guest->is_autostarted ? " (starts with the machine)" : "");
        if (n < 0 || (size_t)n >= NAMES_SIZE - length) {
                check->names[length] = '\0';
                check->n_unlisted++;
        }
        if (guest->is_autostarted)
                judge_autostart(check, guest, devices);
        if (guest->hypervisor != GUEST_OF_PROXMOX)
                return;
        check_hook(check, guest);
        check_driver(check, guest);
}

static void say_who(const GuestCheck *check) {
        char more[48] = "";

        if (check->n_unlisted > 0)
                (void)snprintf(more, sizeof(more), " and %zu more", check->n_unlisted);
        if (check->n_named > 0)
                inspection_add_check(check->ret, CHECK_PASS, "guests", "",
                                     "Its devices are named by %s%s.", check->names, more);
        else
                inspection_add_check(check->ret, CHECK_PASS, "guests", "",
                                     "No guest that is defined here names its devices.");
}

void check_guests(const Situation *now, const ConfigMode *mode, const NextBoot *next,
                  const GuestDefinitions *guests, Inspection *ret) {
        GuestCheck check = { .now = now, .mode = mode, .ret = ret };
        char unread[GUEST_UNREAD_SIZE];
        const char *said;

        check.own = config_own_devices(&now->config, mode) & mode->vfio_devices;
        if (check.own == 0)
                return;
        next_boot_outlook(next, &now->config, &check.outlook);
        check.booted = config_find_mode(&now->config, check.outlook.mode);
        for (size_t i = 0; i < guests->n; i++)
                look_at(&check, &guests->guests[i]);
        said = guest_definitions_unread(guests, unread);
        if (said)
                inspection_add_check(ret, CHECK_WARN, "guests",
                                     "Look at them below /etc/libvirt/qemu or "
                                     "/etc/pve/qemu-server.",
                                     "%s.", said);
        else if (check.n_warned == 0)
                say_who(&check);
}
