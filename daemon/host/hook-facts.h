/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt's hook, as it is switched on. Reads only. */
#pragma once

#include "model/hook-check.h"
#include "root.h"

/** Reads it; what cannot be read is not there. */
void hook_facts_read(const Root *root, HookFacts *ret);
