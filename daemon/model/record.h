/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of `key=value`: the form of everything in /run/vfio-mode. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"

/**
 * Takes the next line off a text and splits it at its first `=`.
 *
 * @cursor: where to look; moved behind the line
 * @buffer: gets the line; the key is at its start, terminated
 * @ret_value: points into @buffer
 *
 * Returns 1; 0 at the end of the text; -EBADMSG where the line has no newline, no `=`, or does not
 * fit.
 */
_must_check_ int record_next(const char **cursor, char *buffer, size_t size,
                             const char **ret_value);

/**
 * Takes the first line off a text, which says what it is and in which version.
 *
 * Returns 0; -EBADMSG where it is something else; -EPROTONOSUPPORT where another version wrote it.
 */
_must_check_ int record_expect(const char **cursor, const char *key, const char *version);

/** Writes `key=value`, control characters as blanks: a newline in a reason must not become a key.
 */
void record_print(FILE *file, const char *key, const char *value);

/** Begins a text in @buffer, to be written with record_print() and the like. Returns NULL where
 * there is no memory. */
FILE *record_begin(char *buffer, size_t size);

/** Ends it, with a NUL. Returns the text's length, or -ENOSPC where it does not
 * fit. */
_must_check_ int record_end(FILE *file, size_t size);
