/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hand-made /etc/default/grub, one for each of two lives of a machine, as what stays in GRUB's
 * own file and what becomes the passthrough mode's. Pure.
 */
#pragma once

#include "grub-default.h"
#include "page-reservation.h"

#define GRUB_WORDS_MAX 256

/** What becomes of a word. */
typedef enum GrubWordFate {
        GRUB_WORD_SHARED, /**< both files have it: it stays in GRUB's own */
        GRUB_WORD_HOST,   /**< only the host's has it: it stays, since the fallback mode has no
                               arguments of its own, and so the other mode gets it, too */
        GRUB_WORD_MODE,   /**< only the other has it: it goes into the mode's `cmdline` */
        GRUB_WORD_IOMMU,  /**< only the other has it, and it turns the IOMMU on, which a switch at
                             run  time has to find on: GRUB's own file gets it */
        GRUB_WORD_PAGES,  /**< the mode's hugepages-1G and hugepages-2M say it */
        GRUB_WORD_IDS,    /**< the device says it (vfio-pci.ids=) */
        GRUB_WORD_REFUSED /**< `cmdline` takes no such word: left out */
} GrubWordFate;

typedef struct GrubWord {
        const char *text; /**< in one of the files; not terminated */
        size_t length;
        GrubWordFate fate;
        char why_not[256];  /**< of a refused one */
        bool is_repeated;   /**< an earlier one has the same text */
        const char *behind; /**< of the mode's: a word of the same name that stays in GRUB's own
                               file, and stood behind it in the passthrough's; NULL: none */
        size_t behind_length;
} GrubWord;

typedef struct GrubModes {
        GrubWord words[GRUB_WORDS_MAX]; /**< the host's in their order, then the others: each once,
                                           but those of the mode as often as they stand there */
        size_t n_words;
        char cmdline[CONFIG_CMDLINE_SIZE]; /**< of the passthrough mode */
        PageReservation pages;             /**< of the passthrough mode; none where it has none */
        bool pages_were_shared;            /**< the host's file had reserved the same */
        GrubDefault kept;                  /**< what GRUB's own file is to have from now on */
} GrubModes;

/**
 * Parts the words of both.
 *
 * Pages that both reserve alike go to the passthrough mode alone: that the host does without them
 * is what people have two files for, and only had no way to say. Where the host's differ they were
 * meant, and stay. Where a mode cannot want what the passthrough's file reserves, and the host's
 * words on pages are not the same, all of the passthrough's go to `cmdline` in their order, those
 * that both have as well: each count is about the size before it.
 *
 * @host, @passthrough: the result points into them
 *
 * Returns 0; -E2BIG where there are more than GRUB_WORDS_MAX words, or more than one variable
 * holds; -ENOMEM.
 */
_must_check_ int grub_modes_make(const GrubDefault *host, const GrubDefault *passthrough,
                                 GrubModes *ret);
