/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spans of time as systemd writes them: "5min", "30s", "1h 30min"; a bare number is of seconds.
 */
#pragma once

#include <stdint.h>

#include "cleanup.h"

/**
 * Parses a span: numbers of digits, each with its unit (s, sec, m, min, h, hr, d and their whole
 * words; nothing is s), blanks between them or not. Units smaller than a second, fractions and a
 * unit that occurs twice are none.
 *
 * @max: in seconds
 *
 * Returns 0; -EINVAL where @text is no such span; -ERANGE where it is longer than @max. @ret, in
 * seconds, is untouched on failure.
 */
_must_check_ int time_span_parse(const char *text, uint64_t max, uint64_t *ret);
