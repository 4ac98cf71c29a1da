/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rules of an AppArmor profile let be read (apparmor.d(5), "File Globbing"). Pure. */
#pragma once

#include <stdbool.h>

/**
 * Whether one of the rules allows to read a file, and none denies it. Rules of one line with the
 * path before the permissions are understood, with `*`, `?` and `[...]`, and `**` at their end;
 * those with variables, alternatives or for an owner are passed over, and so are included files.
 *
 * @rules: lines of a profile or an abstraction
 * @path: absolute
 */
bool apparmor_rules_let_read(const char *rules, const char *path);
