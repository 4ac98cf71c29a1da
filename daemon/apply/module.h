/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads kernel modules through libkmod, which is opened when it is first needed: most runs find
 * every driver registered already, and libkmod with its compressors would be most of their
 * start-up.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "host/root.h"

/**
 * Loads the module @name (or the one that has it as an alias) with what it depends on, and waits
 * for it. A blacklist does not hold it back: it only means that nobody should load it by chance.
 *
 * Returns 0, also where it was there; -ENOENT where there is no such module; -EOPNOTSUPP where
 * @root is not the live machine or libkmod is missing; else the kernel's error.
 */
_must_check_ int module_load(const Root *root, const char *name);

/**
 * Loads whatever modules.alias has for a device's modalias.
 *
 * Returns the number of modules found, 0 for none; else as module_load().
 */
_must_check_ int module_load_for(const Root *root, const char *modalias);

/**
 * Whether udev would find a module for a device's modalias: one that modules.alias has and no
 * blacklist holds back. False where that cannot be told.
 */
bool module_exists_for(const Root *root, const char *modalias);
