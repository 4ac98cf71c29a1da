/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file's label under SELinux. Pure. */
#pragma once

#include "base/cleanup.h"

#define SELINUX_TYPE_SIZE 64

/**
 * Finds the type in a label, which is the value of the attribute security.selinux: USER:ROLE:TYPE,
 * or USER:ROLE:TYPE:RANGE (kernel: security/selinux/ss/services.c,
 * string_to_context_struct()).
 *
 * @ret: letters, digits, '_', '-' and '.'
 *
 * Returns 0; or -EBADMSG, with @ret untouched, where it is no label, or its type is longer.
 */
_must_check_ int selinux_label_type(const char *label, char ret[static SELINUX_TYPE_SIZE]);
