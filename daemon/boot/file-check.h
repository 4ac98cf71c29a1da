/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a file's extents say (boot_place_check_file() is declared in boot-place.h).
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

/** What the flags of an extent (FIEMAP_EXTENT_*) say against GRUB's writing it, in words that
 * follow "it"; NULL: nothing. */
const char *file_extents_problem(uint32_t flags);
