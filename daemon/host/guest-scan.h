/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The definitions of guests that libvirt and Proxmox VE keep on this machine. Reads only.
 */
#pragma once

#include "model/guest-definition.h"
#include "model/proxmox-guest.h"
#include "root.h"

#define LIBVIRT_GUESTS_DIR "etc/libvirt/qemu"
#define PROXMOX_GUESTS_DIR "etc/pve/qemu-server"

/**
 * Reads the functions that a guest of Proxmox VE is given, mappings of this node looked up.
 *
 * @id: its number
 * @vm: its addresses are added to
 * @ret: the rest of it that matters
 *
 * Returns 0; -EBADMSG where a line cannot be understood; -E2BIG; else the error of reading.
 */
_must_check_ int guest_read_proxmox(const Root *root, const char *id, Vm *vm, ProxmoxGuest *ret);

/** Finds the guests that name functions of the host: libvirt's below /etc/libvirt/qemu, Proxmox
 * VE's of this node below /etc/pve/qemu-server; by their names. What cannot be read is counted. */
void guest_scan(const Root *root, GuestDefinitions *ret);
