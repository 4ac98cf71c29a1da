/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading the modules that a function's driver takes, by the writer.
 */
#pragma once

#include "module.h"
#include "writer.h"

/** Loads a module by its name. @address: what it is for; 0000:00:00.0: nothing in particular.
 * Returns as writer_load(). */
_must_check_ int load_by_name(Writer *writer, PciAddress address, const char *module);

/** Loads what the function's modalias names. Returns as writer_load_for(), or the error of reading
 * the modalias. */
_must_check_ int load_for(Writer *writer, PciAddress address, ModuleChoice choice);

/**
 * Loads the driver of that name, unless it is registered.
 *
 * Returns 0, also where there turns out to be no such driver; else as writer_load_for().
 */
_must_check_ int load_driver(Writer *writer, PciAddress address, const char *driver);
