/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict parsing of numbers and words: the whole text is the value or it is an error. Unlike
 * strtoul(3) no sign, no leading blank, no locale.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

/**
 * Parses a decimal number of digits only.
 *
 * Returns 0; -EINVAL where @text is not such a number; -ERANGE where it is above @max. @ret is
 * untouched on failure.
 */
_must_check_ int parse_decimal(const char *text, uint64_t max, uint64_t *ret);

/**
 * Parses exactly @digits hexadecimal digits (either case, at most 8) at @text; what follows is the
 * caller's.
 *
 * Returns 0, or -EINVAL with @ret untouched.
 */
_must_check_ int parse_hex_digits(const char *text, size_t digits, uint32_t *ret);

/**
 * Takes the next word off a list separated by spaces and tabs.
 *
 * @cursor: where to look; moved behind the word. The text is not changed.
 * @ret_length: the word's length in bytes
 *
 * Returns the word, not terminated, or NULL at the end of the list.
 */
const char *parse_word(const char **cursor, size_t *ret_length);

/**
 * Copies @length bytes of @text into @buffer and terminates it.
 *
 * Returns 0, or -ENAMETOOLONG with @buffer untouched.
 */
_must_check_ int parse_copy(char *buffer, size_t size, const char *text, size_t length);
