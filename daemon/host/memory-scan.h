/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads how much memory there is, and the kernel's pools of hugepages.
 */
#pragma once

#include "model/hugepages.h"
#include "root.h"

/** The pools, one directory for each size that there is. */
#define HUGEPAGES_DIR "sys/kernel/mm/hugepages"

/** Reads memory and pools. What cannot be read is not there, or not known; that is no error. */
void memory_scan(const Root *root, Memory *ret);
