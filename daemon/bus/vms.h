/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hypervisors' hooks tell: BeginVM and EndVM. What follows from an end is the guard's, to whom
 * it is left as a file.
 */
#pragma once

#include "request.h"

/** BeginVM(vm, addresses); answers the request, be it at the end of a switch. */
void vms_method_begin(Request *request);

/** EndVM(vm, result); answers the request. */
void vms_method_end(Request *request);

/** The switch that was made for a BeginVM is done. */
void vms_switched(Request *request);

/** Goes on with those that have waited for somebody else's switch, if that has ended. */
void vms_go_on(Service *service);
