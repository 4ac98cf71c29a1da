/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "hook-check.h"

#define ID "libvirt-hook"
#define SWITCH_ON "install -D -t /etc/libvirt/hooks/qemu.d /usr/share/vfio-mode/hooks/libvirt && %s"

static bool needs_it(const ConfigMode *mode) {
        return mode->switch_for_vm || mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK ||
               mode->expect_vm > 0;
}

void hook_check(const HookFacts *facts, const ConfigMode *mode, Inspection *ret) {
        char reload[64], switch_on[192];

        (void)snprintf(reload, sizeof(reload), "systemctl reload %s", facts->service);
        (void)snprintf(switch_on, sizeof(switch_on), SWITCH_ON, reload);
        if (!facts->has_libvirt)
                return;
        if (facts->path[0] == '\0' && !needs_it(mode))
                inspection_add_check(ret, CHECK_PASS, ID, "",
                                     "libvirt's hook is not switched on, and mode '%s' does not "
                                     "need it.",
                                     mode->name);
        else if (facts->path[0] == '\0')
                inspection_add_check(ret, CHECK_WARN, ID, switch_on,
                                     "libvirt's hook is not switched on: no guest brings the "
                                     "machine into mode '%s', and how one has ended is not told.",
                                     mode->name);
        else if (!facts->is_executable)
                inspection_add_check(ret, CHECK_FAIL, ID, "Make it executable (chmod 755).",
                                     "libvirt leaves out /%s, which is not executable.",
                                     facts->path);
        else if (facts->is_link && facts->has_apparmor)
                inspection_add_check(ret, CHECK_FAIL, ID, switch_on,
                                     "/%s is a link, and AppArmor lets libvirt run no file "
                                     "elsewhere: no guest will start.",
                                     facts->path);
        else if (!facts->is_known)
                inspection_add_check(ret, CHECK_WARN, ID, reload,
                                     "libvirt has not looked for hooks since /%s is there.",
                                     facts->path);
        else if (facts->selinux_enforces)
                inspection_add_check(ret, CHECK_WARN, ID,
                                     "restorecon -R /etc/libvirt/hooks, and start one that does "
                                     "not name the device.",
                                     "SELinux is enforcing: where it does not let libvirt run /%s, "
                                     "no guest will start.",
                                     facts->path);
        else
                inspection_add_check(ret, CHECK_PASS, ID, "", "libvirt runs /%s.", facts->path);
}
