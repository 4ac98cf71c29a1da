/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hookscript that cannot be run fails every start of its guest (pve-guest-common:
 * PVE::GuestHelpers::exec_hookscript, of pre-start).
 */
#include <stdio.h>

#include "hook-check.h"
#include "proxmox-hook-check.h"

#define ID "proxmox-hook"
#define CALL "/usr/bin/vfio-modectl hook -- proxmox \"$@\" || exit"
#define INSTALL "install -D -t /var/lib/vz/snippets /usr/share/vfio-mode/hooks/proxmox"

/* The number is all digits. */
static void check_without(const GuestDefinition *guest, const char *what, const ConfigMode *mode,
                          Inspection *ret) {
        char advice[192];

        /* A guest has one: another would take a person's own away. */
        if (guest->hookscript[0] != '\0')
                (void)snprintf(advice, sizeof(advice), "Have it call: " CALL);
        else
                (void)snprintf(advice, sizeof(advice),
                               INSTALL " && qm set %s --hookscript local:snippets/proxmox",
                               guest->vm.name);
        if (hook_is_needed(mode))
                inspection_add_check(ret, CHECK_WARN, ID, advice,
                                     "Guest %s %s: its start does not bring the machine into mode "
                                     "'%s', and how it has ended is not told.",
                                     guest->vm.name, what, mode->name);
        else
                inspection_add_check(ret, CHECK_PASS, ID, "",
                                     "Guest %s %s, and mode '%s' does not need it.", guest->vm.name,
                                     what, mode->name);
}

void proxmox_hook_check(const GuestDefinition *guest, const ProxmoxHookFacts *facts,
                        const ConfigMode *mode, Inspection *ret) {
        char advice[256];

        if (guest->hookscript[0] == '\0') {
                check_without(guest, "has no hookscript", mode, ret);
        } else if (facts->path[0] == '\0') {
                inspection_add_check(ret, CHECK_WARN, ID,
                                     "See that it is there, and calls vfio-modectl hook.",
                                     "Where the hookscript %s of guest %s lies is not known.",
                                     guest->hookscript, guest->vm.name);
        } else if (!facts->is_there) {
                (void)snprintf(advice, sizeof(advice),
                               "Put it there, or: qm set %s --delete hookscript", guest->vm.name);
                inspection_add_check(ret, CHECK_FAIL, ID, advice,
                                     "The hookscript of guest %s, /%s, is not there: the guest "
                                     "will not start.",
                                     guest->vm.name, facts->path);
        } else if (!facts->is_executable) {
                inspection_add_check(ret, CHECK_FAIL, ID, "Make it executable (chmod 755).",
                                     "The hookscript of guest %s, /%s, is not executable: the "
                                     "guest will not start.",
                                     guest->vm.name, facts->path);
        } else if (!facts->is_ours) {
                check_without(guest, "has a hookscript that does not ask vfio-mode", mode, ret);
        } else {
                inspection_add_check(ret, CHECK_PASS, ID, "",
                                     "Guest %s asks vfio-mode by its hookscript, /%s.",
                                     guest->vm.name, facts->path);
        }
}

void proxmox_driver_check(const GuestDefinition *guest, const PciAddress *bound, Inspection *ret) {
        char address[PCI_ADDRESS_SIZE], advice[192];

        if (!bound) {
                inspection_add_check(ret, CHECK_PASS, ID, "",
                                     "Guest %s leaves to vfio-mode which driver the mode's devices "
                                     "are on (driver=keep).",
                                     guest->vm.name);
                return;
        }
        (void)snprintf(advice, sizeof(advice),
                       "Add driver=keep to that hostpci line, which `qm config %s` shows.",
                       guest->vm.name);
        inspection_add_check(ret, CHECK_WARN, ID, advice,
                             "Guest %s has %s without driver=keep: Proxmox VE binds it to vfio-pci "
                             "by itself, in a mode that has it on the host, too.",
                             guest->vm.name, pci_address_format(*bound, address));
}
