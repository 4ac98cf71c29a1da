/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads and unloads kernel modules through libkmod, which is opened when it is first needed: most
 * runs find every driver registered already, and libkmod with its compressors would be most of
 * their start-up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "host/module-home.h"
#include "host/root.h"
#include "model/config.h"

/** Which of the modules for a device. */
typedef enum ModuleChoice {
        MODULE_ALLOWED, /**< those that no blacklist holds back, as udev loads them */
        MODULE_ANY,
} ModuleChoice;

/**
 * Loads the module @name (or the one that has it as an alias) with what it depends on, and waits
 * for it. A blacklist does not hold it back: it only means that nobody should load it by chance.
 *
 * Returns 0, also where it was there; -ENOENT where there is no such module; -EOPNOTSUPP where
 * @root is not the live machine or libkmod is missing; else the kernel's error.
 */
_must_check_ int module_load(const Root *root, const char *name);

/**
 * Unloads the module @name, where nothing uses it: the kernel decides that in one with taking it
 * away from whoever comes next. Its remove() may not return.
 *
 * Returns 0, also where there was none; -EAGAIN or -EBUSY where it is in use; -EOPNOTSUPP as
 * module_load(); else the kernel's error.
 */
_must_check_ int module_unload(const Root *root, const char *name);

/**
 * Loads what modules.alias has for an alias: a device's modalias, or a module's name. An alias in
 * modprobe.d that gives the device to vfio-pci or pci-stub is looked past.
 *
 * Returns the number of modules found, 0 for none; else as module_load().
 */
_must_check_ int module_load_for(const Root *root, const char *alias, ModuleChoice choice);

/**
 * Whether udev would find a module for a device's modalias: one that modules.alias has and no
 * blacklist holds back. False where that cannot be told.
 */
bool module_exists_for(const Root *root, const char *modalias);

/** A function's modalias, and the module of the variant of vfio-pci for it; "": there is none. */
typedef struct ModuleVariant {
        char modalias[128];
        char name[CONFIG_DRIVER_SIZE];
} ModuleVariant;

/**
 * Finds the variants of vfio-pci that modules.alias has for functions ("vfio_pci:" in the place of
 * "pci:", which no udev rule looks up); a blacklisted one is none.
 *
 * @variants: `modalias` is given, `name` is filled in
 *
 * Returns 0; else as module_load(), with every `name` "".
 */
_must_check_ int module_find_variants(const Root *root, ModuleVariant *variants, size_t n);

/** Whether modules.alias has modules for a device's modalias and a blacklist holds back all of
 * them.
 */
bool module_is_blacklisted_for(const Root *root, const char *modalias);

/** Counts the modules that modules.alias has for a device's modalias, and what modprobe.d(5) leaves
 * of them. Returns 0; else as module_load(), or module_home_scan() where @root is not live. */
_must_check_ int module_find_home(const Root *root, const char *modalias, ModuleHome *ret);
