/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes out of text what says whose machine it is: UUIDs, machine and boot ids, MAC and IP
 * addresses, and the words that it is told to (names of the host and of its users). Each value has
 * one placeholder of its own, of the same form, wherever it appears: what was equal stays equal,
 * and what was a UUID still is one. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define REDACT_SEEN_MAX 4096 /* values that are told apart; further ones share a placeholder */
#define REDACT_WORDS_MAX 1024
#define REDACT_WORD_SIZE 128 /* of a word that is to be taken out, with its NUL */

typedef struct Redactor Redactor;

typedef enum RedactWord {
        REDACT_HOST_NAME,
        REDACT_USER_NAME,
        REDACT_GUEST_NAME, /**< of a virtual machine; numbered in the order in which they are named
                            */
} RedactWord;

/** A redactor that has seen nothing. Returns NULL where there is no memory. */
Redactor *redactor_new(void);

/** Frees it and sets it to NULL; for `_cleanup_(redactor_freep)`. */
void redactor_freep(Redactor **redactor);

/**
 * Names a word that is to be taken out where it stands alone: between letters and digits it is
 * another word. Small and capital letters are the same, and its dashes may be
 * spelt as LVM and systemd do.
 *
 * Returns 0, also where it is known already; -EINVAL where it is empty, of one letter or too long;
 * -ENOSPC.
 */
_must_check_ int redactor_add_word(Redactor *redactor, RedactWord kind, const char *word);

/** Whether a word would be taken out of a text. */
bool redact_has_word(const char *text, const char *word);

/**
 * Redacts a text, which may have NUL bytes in it.
 *
 * @ret: the caller frees it; terminated by a NUL that is not counted
 *
 * Returns 0, or -ENOMEM with @ret and @ret_length untouched.
 */
_must_check_ int redact(Redactor *redactor, const char *text, size_t length, char **ret,
                        size_t *ret_length);
