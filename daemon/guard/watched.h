/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guard of a mode watches: the mode as it was accepted, its devices, and who has one of
 * them open. Reads only.
 */
#pragma once

#include "host/root.h"
#include "model/config.h"
#include "model/in-use.h"
#include "model/run-state.h"
#include "model/vm-list.h"

#define WATCHED_NAMES_SIZE 192

typedef struct Watched {
        const Root *root;
        Config config;
        const ConfigMode *mode; /**< one of `config` */
        RunState state;
        char names[WATCHED_NAMES_SIZE]; /**< of the devices, for a person */
} Watched;

/**
 * Reads what was accepted with the mode.
 *
 * @ret: the caller frees it; NULL on failure
 *
 * Returns 0; -ESTALE where the machine is not in that mode; -EINVAL where what was accepted cannot
 * be used; -ENOMEM; else the error of reading.
 */
_must_check_ int watched_load(const Root *root, const char *mode, Watched **ret);

/**
 * Looks who has a VFIO node of a watched function open; ourselves, who try for a moment whether it
 * is free, are nobody.
 *
 * @ret: one of them; its pid is 0 where there is none
 * @ret_told: the virtual machines with one of these functions that hooks have told of, the oldest
 * word first
 *
 * Returns 0 or the error of looking.
 */
_must_check_ int watched_look(const Watched *watched, NodeHolder *ret, VmList *ret_told);

/** Whether the power button is to bring the screen back from the mode. Returns 1, 0, or the error
 * of looking. */
_must_check_ int watched_takes_screen(const Watched *watched);
