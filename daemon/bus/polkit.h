/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what: one table from method to action, and a method that is not in it is denied.
 * polkit is asked about the caller, and about nobody but the caller; root needs no polkit.
 */
#pragma once

#include "request.h"

#define ACTION_SWITCH_MODE "org.vfiomode1.switch-mode"
#define ACTION_MANAGE_VM "org.vfiomode1.manage-vm"
#define ACTION_SET_NEXT_BOOT "org.vfiomode1.set-next-boot"

/** Asks the bus who sent a call. */
void polkit_find_caller(sd_bus_message *call, Caller *ret);

/**
 * Lets the request's method be performed, now or when polkit has answered; or refuses.
 *
 * The request is answered by this in any case, sooner or later.
 */
void polkit_authorise(Request *request);
