/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What identifies a machine and is known by its form: UUIDs of file systems, partitions and
 * volumes, ids of 128 bits, MAC and IP addresses; or by what stands before it (redact-values.h);
 * and what stands in their place. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define REDACT_KEY_SIZE 128 /* of a value in its one form, with its NUL */

typedef enum RedactForm {
        REDACT_FORM_UUID,
        REDACT_FORM_SHORT_UUID,     /**< of FAT and its kin: 1A2B-3C4D */
        REDACT_FORM_NTFS_UUID,      /**< 16 capital digits */
        REDACT_FORM_LVM_UUID,       /**< 6-4-4-4-4-4-6 letters and digits */
        REDACT_FORM_PARTITION_UUID, /**< of an MBR: its 8 digits, and not the partition's number */
        REDACT_FORM_ID,             /**< 128 bits, as systemd writes them */
        REDACT_FORM_MAC,
        REDACT_FORM_IPV4,
        REDACT_FORM_IPV6,
        REDACT_FORM_DISK, /**< a disk's name by its model and serial number, or its WWN */
        REDACT_FORM_MAIL,
        REDACT_FORM_SECRET, /**< the value of what is called a password, and the like */
        _REDACT_FORM_MAX,
} RedactForm;

/** A place in a text, which may have NUL bytes in it. */
typedef struct Place {
        const char *text;
        size_t length; /**< of all of the text */
        size_t at;
} Place;

/** The character so far behind the place; NUL behind the end of the text. */
char place_char(const Place *place, size_t offset);

/** Whether neither part of a word (letters, digits, what is not ASCII, but for punctuation) stands
 * before the place, nor one of @set. An escape of systemd's (`\x2d`) or of the kernel's (`\040`)
 * counts as what it stands for. */
bool place_begins(const Place *place, const char *set);

/** Whether neither part of a word follows on @length characters, nor one of @set. */
bool place_ends(const Place *place, size_t length, const char *set);

/**
 * Finds the form that a value at the place has. One that is all zeros says nothing, and has none.
 *
 * @key: the value in its one form: small digits, no separators
 *
 * Returns its length; 0 where there is none, with @ret and @key undefined.
 */
size_t redact_form_match(const Place *place, RedactForm *ret, char key[static REDACT_KEY_SIZE]);

/** Writes the placeholder of a number, spelt as the value at the place is. */
void redact_form_put(FILE *out, const Place *place, RedactForm form, unsigned number);
