/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "hook-check.h"

#define ID "libvirt-hook"
#define HOOK "/usr/share/vfio-mode/hooks/libvirt"
#define SWITCH_ON "install -D -t /etc/libvirt/hooks/qemu.d " HOOK " && %s"

/*
 * The targeted policy (selinux-policy at 00589e858e74, virt.fc and virt.te in
 * policy/modules/contrib; its pull request 2195): what lies in /etc/libvirt/hooks is virt_hook_t.
 * libvirtd is in a domain that is unconfined. virtqemud is not, and the rule behind the boolean
 * virt_hooks_unconfined, which came with that type, is for virtnetworkd alone.
 *
 * The reference policy and those before (Debian's selinux-policy-default 2.20221101, virt.pp) have
 * no such type: a hook is virt_etc_rw_t, which libvirtd may not execute there; bin_t it may.
 * Whether it may then speak to our service depends on what that runs as.
 */
#define HOOK_TYPE "virt_hook_t"
#define PROGRAM_TYPE "bin_t"
#define SET_PROGRAM_TYPE \
        "semanage fcontext -a -f f -t " PROGRAM_TYPE " '/etc/libvirt/hooks/qemu.*' && "
#define SET_BOOLEAN "setsebool -P virt_hooks_unconfined on"
#define TRY                                                                                        \
        "Start a guest that does not name the device; what was denied is in: ausearch -m avc -ts " \
        "recent"

bool hook_is_needed(const ConfigMode *mode) {
        return mode->switch_for_vm || mode->on_vm_exit == CONFIG_ON_VM_EXIT_FALLBACK ||
               mode->expect_vm > 0;
}

static void check_type(const HookFacts *facts, const char *expected, Inspection *ret) {
        char relabel[sizeof(SET_PROGRAM_TYPE) + sizeof(facts->path) + 32];

        (void)snprintf(relabel, sizeof(relabel), "%srestorecon -v /%s",
                       facts->has_hook_type ? "" : SET_PROGRAM_TYPE, facts->path);
        if (facts->selinux_type[0] == '\0')
                inspection_add_check(ret, CHECK_WARN, ID, relabel,
                                     "SELinux is enforcing, and /%s has no label: where it does "
                                     "not let libvirt run it, no guest will start.",
                                     facts->path);
        else
                inspection_add_check(ret, CHECK_WARN, ID, relabel,
                                     "SELinux is enforcing, and /%s is %s instead of %s: where it "
                                     "does not let libvirt run it, no guest will start.",
                                     facts->path, facts->selinux_type, expected);
}

static void check_selinux(const HookFacts *facts, Inspection *ret) {
        const char *expected = facts->has_hook_type ? HOOK_TYPE : PROGRAM_TYPE;
        bool is_libvirtd = strcmp(facts->service, HOOK_OF_LIBVIRTD) == 0;

        if (strcmp(facts->selinux_type, expected) != 0)
                check_type(facts, expected, ret);
        else if (facts->has_hook_type && is_libvirtd)
                inspection_add_check(ret, CHECK_PASS, ID, "",
                                     "libvirt runs /%s, which is " HOOK_TYPE " for SELinux.",
                                     facts->path);
        else if (facts->has_hook_type && !facts->hooks_are_unconfined)
                inspection_add_check(ret, CHECK_WARN, ID, SET_BOOLEAN,
                                     "SELinux is enforcing, and lets virtqemud run no hook while "
                                     "its boolean virt_hooks_unconfined is off: no guest will "
                                     "start.");
        else
                inspection_add_check(ret, CHECK_WARN, ID, TRY,
                                     "SELinux is enforcing. /%s has the right type, %s, but "
                                     "whether the policy lets %s run it, and that speak to "
                                     "vfio-mode, is not known: where it does not, no guest will "
                                     "start.",
                                     facts->path, facts->selinux_type,
                                     is_libvirtd ? "libvirtd" : "virtqemud");
}

void hook_check(const HookFacts *facts, const ConfigMode *mode, Inspection *ret) {
        char reload[64], switch_on[192], copy[256] = "Put a copy there instead of the link.";

        (void)snprintf(reload, sizeof(reload), "systemctl reload %s", facts->service);
        (void)snprintf(switch_on, sizeof(switch_on), SWITCH_ON, reload);
        /* No command that a shell would take for another file. */
        if (!strchr(facts->path, '\'') && strlen(facts->path) < 128)
                (void)snprintf(copy, sizeof(copy), "install " HOOK " '/%s' && %s", facts->path,
                               reload);
        if (!facts->has_libvirt)
                return;
        if (facts->path[0] == '\0' && !hook_is_needed(mode))
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
                inspection_add_check(ret, CHECK_FAIL, ID, copy,
                                     "/%s is a link, and AppArmor lets libvirt run no file "
                                     "elsewhere: no guest will start.",
                                     facts->path);
        else if (!facts->is_known)
                inspection_add_check(ret, CHECK_WARN, ID, reload,
                                     "libvirt has not looked for hooks since /%s is there.",
                                     facts->path);
        else if (facts->selinux_enforces)
                check_selinux(facts, ret);
        else
                inspection_add_check(ret, CHECK_PASS, ID, "", "libvirt runs /%s.", facts->path);
}
