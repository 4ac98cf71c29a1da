/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modules of a driver and those above it, as sysfs has them (/sys/module/NAME/holders, where
 * libkmod reads them as well): a plan names them also where libkmod is not opened.
 */
#pragma once

#include "model/module-stack.h"
#include "root.h"

/** Reads the modules of a driver and the functions that are bound to it. */
void module_scan(const Root *root, const char *driver, ModuleStack *ret);

/** Reads a module and those above it alone; none where it is not loaded, or built in. */
void module_scan_above(const Root *root, const char *module, ModuleStack *ret);

/** How many references a module has; 0 where that is not told. */
unsigned module_read_references(const Root *root, const char *module);
