/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AppArmor, as far as it is about libvirt. libvirt's helper lets a guest have the disks and devices
 * of its definition, but not the files in <rom file=...> (libvirt 9.0 and 11.3:
 * src/security/virt-aa-helper.c, get_files()): these go by the abstraction libvirt-qemu alone.
 */
#pragma once

#include "root.h"

/** Whether it is on, and has a profile for libvirt's daemon, without which libvirt does not use it.
 */
bool apparmor_confines_libvirt(const Root *root);

/**
 * Reads the rules that all of libvirt's guests have, those added on this machine too.
 *
 * @ret: new memory, which the caller frees; NULL where AppArmor does not confine them, or the
 * rules are not there
 *
 * Returns 0; else the negative error of reading.
 */
_must_check_ int apparmor_read_guest_rules(const Root *root, char **ret);
