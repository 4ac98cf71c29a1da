/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last time that the machine fell back while it was running, as a value and as lines of text:
 * it outlives the boot. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config.h"

#define FALL_RECORD_SIZE_MAX 1024

typedef struct FallRecord {
        uint64_t time;               /**< CLOCK_REALTIME, seconds */
        char from[CONFIG_NAME_SIZE]; /**< "": no mode */
        char to[CONFIG_NAME_SIZE];
        char reason[512];
} FallRecord;

/** Parses what fall_record_format() wrote. Returns 0; -EBADMSG where it is damaged or says less,
 * with @ret untouched. */
_must_check_ int fall_record_parse(const char *text, FallRecord *ret);

/** Writes it as lines into @buffer. Returns its length, or -ENOSPC. */
_must_check_ int fall_record_format(const FallRecord *fall, char *buffer, size_t size);
