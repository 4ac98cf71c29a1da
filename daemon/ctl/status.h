/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A description of a machine in words.
 */
#pragma once

#include "ctl/arguments.h"
#include "ctl/bus.h"

/**
 * Prints what `status` shows, to stdout.
 *
 * @bus: to ask for the ways back; NULL: those in @status are all there is
 * @status: as json_parse() or describe() made it; what it lacks is left out
 */
void status_print(const Arguments *arguments, Bus *bus, const json_object *status);
