/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd-logind knows: sessions, by the API of libsystemd, which needs no bus, and locks, by
 * busctl(1). The library is opened only here, since most switches end nobody's session. Only for
 * the live machine.
 */
#pragma once

#include <stdint.h>

#include "model/session.h"
#include "root.h"

/**
 * Adds the sessions on a seat, those that are closing included, behind those that are there.
 * Sessions that end meanwhile are left out, and so are those for which there is no room.
 *
 * Returns 0 or the error of reading them.
 */
_must_check_ int login_list_sessions(const Root *root, const char *seat, Sessions *ret);

/**
 * Adds the sessions that the display manager (@ret's `manager`) has opened on other seats, or on
 * none.
 *
 * Returns 0 or the error of reading them.
 */
_must_check_ int login_list_sessions_of_manager(const Root *root, Sessions *ret);

/** Finds the first lock that counts: inhibitors_parse(). Returns as that, or -EIO. */
_must_check_ int login_find_inhibitor(Inhibitor *ret);

/**
 * Waits until none of these sessions is there any more.
 *
 * Returns 0, -ETIMEDOUT, or the error of waiting.
 */
_must_check_ int login_wait(const char *const *ids, size_t n, uint64_t timeout_usec);

/** Whether the user has no session left and none of his units may go on without one. */
bool login_is_closing(unsigned uid);
