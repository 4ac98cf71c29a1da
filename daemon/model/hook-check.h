/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether libvirt's hook is there, and will be heard of. Pure; host/hook-facts reads it.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "inspection.h"
#include "selinux-label.h"

#define HOOK_OF_LIBVIRTD "libvirtd.service"
#define HOOK_OF_VIRTQEMUD "virtqemud.service"

typedef struct HookFacts {
        bool has_libvirt;
        char path[256]; /**< of the hook, below the root; "": none that asks us */
        const char
                *service;   /**< of libvirt, which looks for hooks: HOOK_OF_LIBVIRTD or the other */
        bool is_executable; /**< by its mode */
        bool is_link;       /**< to elsewhere */
        bool is_known;      /**< libvirt has looked for hooks since one was there */
        bool has_apparmor;  /**< is on, and has a profile for libvirtd */
        bool selinux_enforces;
        char selinux_type[SELINUX_TYPE_SIZE]; /**< of the file; "": it has no label */
        bool has_hook_type;                   /**< SELinux's policy has a type for hooks, and the
                                                 boolean virt_hooks_unconfined */
        bool hooks_are_unconfined;            /**< that boolean is on */
} HookFacts;

/** Whether the mode lives by what a hook tells: it is to follow a guest's start or end. */
bool hook_is_needed(const ConfigMode *mode);

/** Adds the check `libvirt-hook`, where libvirt is there. */
void hook_check(const HookFacts *facts, const ConfigMode *mode, Inspection *ret);
