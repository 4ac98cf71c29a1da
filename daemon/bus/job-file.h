/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch's job on paper: /run/vfio-moded/job. Lines of `key=value`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "host/root.h"
#include "model/config.h"

#define JOB_PATH_SIZE 64

typedef struct JobRecord {
        uint64_t number;             /**< of the last job */
        char mode[CONFIG_NAME_SIZE]; /**< that it switches to; "": it has ended */
        char back[CONFIG_NAME_SIZE]; /**< where it goes back to; "": to the fallback mode */
        uint64_t confirm_within;     /**< µs; 0: nothing goes back */
        bool is_for_vm;              /**< its request is of BeginVM, and is answered at the end */
        uint64_t result_inode, result_time; /**< of the result file before it began; 0: none */
} JobRecord;

/** The job's object path. Returns @buffer. */
const char *job_path(uint64_t number, char buffer[static JOB_PATH_SIZE]);

/** Notes which result file is there now. */
void job_mark_result(const Root *root, JobRecord *record);

/** Reads it. Returns 0; -ENOENT; -EBADMSG; else the error of reading. @ret is untouched on failure.
 */
_must_check_ int job_file_read(const Root *root, JobRecord *ret);

/** Writes it. Returns 0 or a negative errno. */
_must_check_ int job_file_write(const Root *root, const JobRecord *record);
