/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a switch to a mode would do, and what stands in its way or in that of a boot into it: looked
 * at with the rights that takes, and without touching anything.
 */
#pragma once

#include "host/root.h"
#include "model/inspection.h"

/**
 * Plans the mode as a switch would and makes the checks.
 *
 * @ret: filled whatever comes of it; a refusal is part of it
 *
 * Returns 0 or -ENOMEM.
 */
_must_check_ int inspect(const Root *root, const char *mode, Inspection *ret);
