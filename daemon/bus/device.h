/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.vfiomode1.Device: one object below /org/vfiomode1/device for each function of a configured
 * device, with an ObjectManager there.
 */
#pragma once

#include "service.h"

/** Puts the objects on the bus. Returns 0 or a negative errno. */
_must_check_ int device_export(Service *service);

/** Tells which objects will go away; the service's snapshot is still the older one, which they are
 * in. Returns 0 or a negative errno. */
_must_check_ int device_tell_removed(Service *service, const Snapshot *after);

/** Tells which objects are new and which properties have changed; the service's snapshot is the
 * newer one. @before NULL: all properties of all. Returns 0 or a negative errno. */
_must_check_ int device_tell_changes(Service *service, const Snapshot *before);
