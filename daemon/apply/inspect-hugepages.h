/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of what a mode finds of hugepages, and of what it leaves of them. */
#pragma once

#include "model/inspection.h"
#include "situation.h"

/**
 * Adds `hugepages-1G` and `hugepages-2M`, of each size that the mode wants, or of which there are
 * pages that it does not want.
 *
 * @mode: of @now's configuration; @now's host is scanned
 * @plan: the way into the mode; NULL where it is refused
 * @first: the mode's first function; NULL: it has none
 */
void inspect_hugepages(const Situation *now, const ConfigMode *mode, const Plan *plan,
                       const PciAddress *first, Inspection *ret);
