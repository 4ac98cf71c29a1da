/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was undone after a step failed, in words: which functions are where they were again.
 */
#pragma once

#include "model/refusal.h"
#include "model/run-state.h"

typedef struct Undone {
        char back[192];                  /**< where they are again */
        char left[64];                   /**< what could not be put back */
        size_t n_back_more, n_left_more; /**< for which there was no room */
} Undone;

/**
 * Notes what came of a function.
 *
 * @result: 1: it was moved back; 0: it had not left its driver; negative: it could not be put back
 */
void undone_add(Undone *undone, const HomeFunction *home, int result);

/** Adds it to the words about what failed, which are cut where there is no room for both; a refusal
 * that is half-way says so. */
void undone_say(const Undone *undone, Refusal *refusal);
