/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of modprobe.d(5) below a root, and the modules that there are for a device: also of a
 * machine that is not this one, for which libkmod would read this one's command line.
 */
#pragma once

#include "model/config.h"
#include "model/host.h"
#include "model/modprobe-config.h"
#include "root.h"

#define MODULES_FOR_MAX 16
#define MODULES_ALIAS_PATH_SIZE 192

/**
 * @path: of the file, from the root on
 * @line: NULL: the file, or a directory of them, cannot be read
 * @error: then why, a negative errno; else 0
 */
typedef void (*ModprobeVisit)(const char *path, const ModprobeLine *line, int error,
                              void *userdata);

/**
 * Visits each line of the commands that model/modprobe-config knows, in the order in which libkmod
 * reads the files: by their names, of which the first directory that has one counts.
 *
 * Returns 0, also where there is no file; -ENOMEM; -E2BIG where there are too many to be looked at.
 */
_must_check_ int modprobe_scan(const Root *root, ModprobeVisit visit, void *userdata);

/** Modules that modules.alias has for a device. */
typedef struct ModulesFor {
        char names[MODULES_FOR_MAX][CONFIG_DRIVER_SIZE];
        size_t n;
} ModulesFor;

/**
 * Finds the modules for a device's modalias, whatever blacklists say.
 *
 * Returns 0; -ENOENT where it cannot be known which kernel runs, or what it has.
 */
_must_check_ int modules_for(const Root *root, const char *modalias, ModulesFor *ret);

/**
 * Takes out of the running kernel's modules.alias the lines that are about functions of a machine:
 * by their modaliases, also with "vfio_pci:" in the place of "pci:", as variants of vfio-pci have
 * them. modules_for() finds the same modules for any of the functions in these lines as in all.
 *
 * @path: gets the file's, from the root on
 * @ret: the caller frees it
 *
 * Returns 0; -ENOENT as modules_for(); -ENOMEM. @ret is untouched on failure.
 */
_must_check_ int modules_alias_extract(const Root *root, const Host *host,
                                       char path[static MODULES_ALIAS_PATH_SIZE], char **ret);
