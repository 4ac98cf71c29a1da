/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hypervisor's hook comes to: a virtual machine that begins or has ended.
 */
#pragma once

#include "ctl/arguments.h"
#include "model/vm-list.h"

/** Names it as it can be kept and told: without what is not printable, and cut where it is too
 * long. */
void hook_name(const char *name, Vm *vm);

/**
 * The virtual machine may start, or why not is said in one line.
 *
 * Of one that names no function of a configured device the service is not asked.
 *
 * Returns the program's exit code.
 */
int hook_begin(const Arguments *arguments, const Vm *vm);

/** It has ended; `word` says how. Whatever goes wrong is said, and is no reason for the hypervisor
 * to fail. Returns 0. */
int hook_end(const Arguments *arguments, const Vm *vm);

/** As libvirt calls /etc/libvirt/hooks/qemu: GUEST OPERATION SUB-OPERATION EXTRA, and a domain's
 * XML on stdin. Returns the program's exit code. */
int hook_libvirt(const Arguments *arguments, const char *const *operands, size_t n);

/** As Proxmox VE calls a hookscript: VMID PHASE. Returns the program's exit code. */
int hook_proxmox(const Arguments *arguments, const char *const *operands, size_t n);
