/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GRUB's environment block, byte for byte as grub-editenv(1) and GRUB's save_env write it. Pure.
 * Source: GRUB's lib/envblk.c (2.06, 2.12): a signature line, `name=value` lines, the rest filled
 * with '#'. In a value a backslash and a newline are led by a backslash; nothing else is quoted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define ENV_BLOCK_SIZE 1024

/** The bytes of the file. GRUB goes by the file's size; ours has always ENV_BLOCK_SIZE. */
typedef struct EnvBlock {
        char bytes[ENV_BLOCK_SIZE];
} EnvBlock;

/** Makes an empty block, with the warning line that grub-editenv writes. */
void env_block_init(EnvBlock *block);

/**
 * Whether GRUB would take the bytes for a block: the signature, nothing else.
 *
 * Returns 0, or -EBADMSG.
 */
_must_check_ int env_block_check(const char *bytes, size_t size);

/** Whether GRUB can change a variable: the filling at the end follows a newline. Without it every
 * save_env fails, and no tool of GRUB's mends that. */
bool env_block_is_writable(const EnvBlock *block);

/** A variable, by where it lies in the block. */
typedef struct EnvVariable {
        const char *name; /**< not terminated; a NUL byte in it ends it all the same */
        size_t name_length;
        const char *value; /**< as written, with its backslashes */
        size_t value_length;
} EnvVariable;

/**
 * Takes the next variable as load_env does. It ends with the first malformed line.
 *
 * @cursor: 0 at first
 *
 * Returns whether there is one.
 */
bool env_block_next(const EnvBlock *block, size_t *cursor, EnvVariable *ret);

/**
 * Copies a variable's value without its backslashes, for as far as it is a string.
 *
 * Returns its length, or -ENAMETOOLONG.
 */
_must_check_ int env_variable_value(const EnvVariable *variable, char *value, size_t size);

/**
 * Reads a variable's value, without its backslashes. As GRUB does, what stands behind the first
 * malformed line is not seen; of a name that occurs twice the last wins, as with load_env.
 *
 * Returns the value's length; -ENOENT where there is none; -ENAMETOOLONG where it does not fit.
 */
_must_check_ int env_block_get(const EnvBlock *block, const char *name, char *value, size_t size);

/**
 * Sets a variable as grub_envblk_set() does: one that exists keeps its place, a new one is
 * appended.
 *
 * Returns 0; -ENOSPC where it does not fit or the block has no room to grow, with the block
 * untouched; -EINVAL for a name that is empty or holds '=' or a newline.
 */
_must_check_ int env_block_set(EnvBlock *block, const char *name, const char *value);
