/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripts that a person has written, which are not understood, only searched for words.
 */
#pragma once

#include <stdbool.h>

#include "model/pci-address.h"
#include "root.h"

#define SCRIPT_SIZE_MAX (256 * 1024)

/** @path: from the root on */
typedef void (*ScriptVisit)(const char *path, bool is_executable, const char *text, void *userdata);

/** Visits the files below a directory that can be read, but for hidden ones, also where links lead
 * there; of very many the first that are found. */
void scripts_visit(const Root *root, const char *directory, ScriptVisit visit, void *userdata);

/** Whether a script has the address as the kernel writes it, or as libvirt names its node device.
 */
bool script_names_function(const char *text, PciAddress address);
