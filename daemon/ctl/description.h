/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a description of the machine comes from: its service, which sees more than a user does; or
 * this process, below --root and where there is no bus.
 */
#pragma once

#include "ctl/arguments.h"
#include "ctl/bus.h"

/**
 * Gets it; the caller puts it. NULL where that failed, which has been said to the user then.
 *
 * @ret_bus: the connection that it was got by, for more; NULL there where the service was not
 * asked. The caller ends it by bus_closep(). May be NULL
 */
json_object *description_get(const Arguments *arguments, Bus **ret_bus);

/** Reads it in this process, of the machine below --root or of this one. Returns as
 * description_get(). */
json_object *description_read(const Arguments *arguments);

/** Says on stderr what is wrong with the configuration, if anything is. */
void description_complain_of_config(const json_object *description);
