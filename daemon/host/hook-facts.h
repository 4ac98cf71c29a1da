/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hooks of libvirt and Proxmox VE, as they are switched on. Reads only. */
#pragma once

#include "model/hook-check.h"
#include "model/proxmox-hook-check.h"
#include "root.h"

/** Reads libvirt's; what cannot be read is not there. */
void hook_facts_read(const Root *root, HookFacts *ret);

/** Reads a guest's of Proxmox VE, which is called "STORAGE:snippets/NAME". */
void hook_facts_read_proxmox(const Root *root, const char *hookscript, ProxmoxHookFacts *ret);
