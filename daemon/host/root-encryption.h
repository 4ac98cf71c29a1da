/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the system is on a disk that has to be unlocked before it is there. */
#pragma once

#include <stdbool.h>

#include "root.h"

/**
 * Whether the root file system is on what dm-crypt has opened, also with LVM, RAID or a partition
 * in between. An encryption of the file system's own (ZFS, fscrypt) is not seen. By what is
 * unlocked, a passphrase or something else, is not known.
 *
 * Returns false also where it cannot be found out.
 */
bool root_is_encrypted(const Root *root);
