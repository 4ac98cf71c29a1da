/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words on a kernel command line that people copy from each other, and what they do: a table. Pure.
 * Source: the kernel's Documentation/admin-guide/kernel-parameters.txt.
 */
#pragma once

#include <stddef.h>

typedef enum CmdlineWordKind {
        CMDLINE_WORD_KNOWN, /**< there is something to say of it, and no more */
        CMDLINE_WORD_WRONG, /**< a machine that works has nothing of it */
        CMDLINE_WORD_MODE,  /**< it is for boots into a mode with devices of its own, if at all: not
                               for a line that all boots have */
} CmdlineWordKind;

typedef struct CmdlineWord {
        const char *word;   /**< as it stands; the name alone where it ends with "=" */
        const char *does;   /**< ends a sentence that begins with it */
        const char *advice; /**< a sentence */
        CmdlineWordKind kind;
} CmdlineWord;

/** Finds what there is to say of an argument; NULL where that is nothing. '-' and '_' are the same
 * in its name. */
const CmdlineWord *cmdline_word_find(const char *word, size_t length);

/** The driver that it keeps from the firmware's screen, and does no more; NULL where it is no such
 * word. */
const char *cmdline_word_screen(const CmdlineWord *word);

/** The words of the table; NULL behind the last. */
const CmdlineWord *cmdline_word_at(size_t index);
