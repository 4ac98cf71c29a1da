/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which login sessions a switch would end, whether it may, and in which order. Pure.
 *
 * A session counts that is graphical, or has the card's node open: it ends when its screen goes,
 * whatever else is configured; and so does one that the display manager has opened, on whatever
 * seat, for it ends when that is stopped. So only `end-sessions` of the mode lets it be ended, and
 * only in order: the display manager first, which would open the next one, then the sessions, then
 * what of their users still has a node open.
 */
#pragma once

#include "in-use.h"

/** Whether the mode has the sessions ended that this holder belongs to, or its display manager. */
bool sessions_end_holder(const InUse *in_use, const ConfigMode *mode, const NodeHolder *holder);

/**
 * The session that would end without leave of the mode if this holder had to let go: it draws the
 * session's screen, or is in the unit of the display manager. So the refusal says at once what
 * would be needed; ending the holder by `holders` or `stop-units` is refused for the same.
 *
 * Returns NULL where there is none.
 */
const Session *sessions_at_stake(const InUse *in_use, const ConfigMode *mode,
                                 const NodeHolder *holder);

/** The graphical session of a user whose manager runs this holder. Returns NULL where none is
 * known. */
const Session *sessions_of_user(const InUse *in_use, const NodeHolder *holder);

/**
 * Puts the end of the display manager and of the sessions into the plan, where the mode has it so.
 *
 * Returns REFUSAL_NONE; REFUSAL_INHIBITED where a person's session would end that somebody
 * protects; REFUSAL_BUSY where one of the mode's stop-units is the display manager, and a person's
 * session would end with it without leave.
 */
RefusalKind sessions_plan(const InUse *in_use, const ConfigMode *mode, Plan *plan,
                          Refusal *refusal);

/** Whether the holder belongs to a user whose session the plan ends, and to no other session of
 * his: what is left over when that has ended. */
bool sessions_leave_behind(const Plan *plan, const NodeHolder *holder);

/**
 * Whether a session was opened by a display manager.
 *
 * @service: the session's PAM service, such as "gdm-password"
 * @manager: the unit, such as "gdm.service"; "": none runs
 */
bool session_service_is_of(const char *service, const char *manager);

#define SESSION_TEXT_SIZE 128

/** Such as "session 3 of anna on seat0". Returns @buffer. */
const char *session_format(const Session *session, char buffer[static SESSION_TEXT_SIZE]);

/** Who holds the guard's locks. */
#define INHIBITOR_OURS "vfio-mode"

/**
 * Finds the first lock that counts in what busctl(1) prints for ListInhibitors of logind.
 *
 * Only `block` counts, `delay` just wants to be told; and only locks against shutdown and sleep:
 * who takes one has work that must not be cut off. Idle is about the screen saver, the handle-*
 * ones about keys and the lid. Ours is for a guest, of which no session is a part.
 *
 * @ret: its who is "" where there is none; what is not printable ASCII becomes '?'
 *
 * Returns 0, or -EBADMSG.
 */
_must_check_ int inhibitors_parse(const char *text, Inhibitor *ret);
