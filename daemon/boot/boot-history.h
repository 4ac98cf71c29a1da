/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /var/lib/vfio-mode: what this boot and the one before it did. Written so that a power cut leaves
 * the old or the new (rename(2) after fsync(2); only Linux reads it, with its journal).
 */
#pragma once

#include "host/root.h"
#include "model/boot-record.h"
#include "model/fall-record.h"

#define STATE_DIR "var/lib/vfio-mode"
#define BOOT_RECORD_PATH STATE_DIR "/boot"
#define FALL_RECORD_PATH STATE_DIR "/fall" /* the last one at run time; vfio-moded's */
#define BOOT_RECORD_PREVIOUS_PATH STATE_DIR "/boot.previous"

/** Reads this machine's boot id. Returns 0 or a negative errno. */
_must_check_ int boot_id_read(const Root *root, char ret[static BOOT_ID_SIZE]);

/**
 * Reads a record.
 *
 * Returns 0; -ENOENT where there is none; -ENOTDIR where the directory is not there (in early boot:
 * /var is not mounted yet); -EBADMSG or -EPROTONOSUPPORT where it is damaged; else the error.
 */
_must_check_ int boot_record_read(const Root *root, const char *path, BootRecord *ret);

/** Reads this boot's record, be it where it waits as long as /var/lib cannot be written. Returns 0;
 * -ENOENT where there is none of this boot; else an error of reading. */
_must_check_ int boot_record_read_current(const Root *root, BootRecord *ret);

/** Whether this boot is good only once a virtual machine has had a device of the mode, which is the
 * one in force (`confirm = vm`). */
bool boot_awaits_vm(const Root *root, const Config *config, const ConfigMode *mode);

/** Writes this boot's record; that of another boot becomes the previous one. Returns 0 or a
 * negative errno. */
_must_check_ int boot_record_write(const Root *root, const BootRecord *record);

/** Writes that the machine fell back at run time, so that a reset right after it does not lose
 * that. Returns 0 or a negative errno. */
_must_check_ int fall_record_write(const Root *root, const FallRecord *fall);

/** Reads the last time that the machine fell back at run time. Returns 0; -ENOENT where it never
 * did; -EBADMSG; else the error of reading. */
_must_check_ int fall_record_read(const Root *root, FallRecord *ret);
