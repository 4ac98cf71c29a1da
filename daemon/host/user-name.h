/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of users, from /etc/passwd alone: other sources of names may be out of reach just now.
 */
#pragma once

#include <stddef.h>

#include "root.h"

/** Puts the user's name in the place of the number in @user; left as it is where there is none. */
void user_name(const Root *root, char *user, size_t size);
