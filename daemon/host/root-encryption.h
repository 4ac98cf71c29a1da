/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the system is on a disk that has to be unlocked before it is there. */
#pragma once

#include "root.h"

typedef enum RootEncryption {
        ROOT_ENCRYPTION_UNKNOWN, /**< it is on no disk that /sys knows (ZFS, a network), encrypts by
                                      itself (bcachefs), or something cannot be read */
        ROOT_ENCRYPTION_NONE,
        ROOT_ENCRYPTION_DISK,
} RootEncryption;

/**
 * Whether the root file system is on what dm-crypt has opened, also with LVM, RAID or a partition
 * in between. Of fscrypt's directories nothing is seen; they are no matter of the initramfs. By
 * what is unlocked, a passphrase or something else, is not known.
 */
RootEncryption root_encryption(const Root *root);
