/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.vfiomode1.Manager at /org/vfiomode1.
 */
#pragma once

#include "service.h"

/** Puts the object on the bus. Returns 0 or a negative errno. */
_must_check_ int manager_export(Service *service);

/** Tells which properties differ between two snapshots; the service's is the newer one. @before
 * NULL: all. Returns 0 or a negative errno. */
_must_check_ int manager_tell_changes(Service *service, const Snapshot *before);
