/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a device open before it leaves the host; and of compositors, which open every graphics
 * card that they find, how they are told not to. Pure.
 */
#pragma once

#include "in-use.h"
#include "inspection.h"

/**
 * Adds the check `holders`: one for each compositor or the like that is known, else one of how many
 * processes there are. Names that are not in its table are nobody's business.
 *
 * @other_screen: a screen is connected to a card that the host keeps, so that a compositor can do
 * without this one
 */
void holders_check(const Holders *holders, bool other_screen, Inspection *ret);
