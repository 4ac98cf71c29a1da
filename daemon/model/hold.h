/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mode is held when a person or a fallback chose it: then nothing that happens for a virtual
 * machine leads out of it, until it is released or a person chooses again (DESIGN §9). Pure.
 */
#pragma once

#include "run-state.h"

/** Whether a mode that is entered by this source is held; of a boot, what it goes by says so. */
bool hold_is_by(const char *source);

/** Whether a choice stands against @mode for a virtual machine: another one is held, and @mode is
 * not the fallback mode. */
bool hold_is_against(const RunState *state, const char *mode, const char *fallback_mode);

/**
 * Whether the mode in force, or another one, is held once a switch has led to it.
 *
 * @before: as it was
 * @next: its mode is set; gets the hold
 * @is_held: the switch is somebody's choice
 * @reason: of the switch
 * @now: CLOCK_REALTIME, µs
 */
void hold_follow(const RunState *before, RunState *next, bool is_held, const char *reason,
                 uint64_t now);
