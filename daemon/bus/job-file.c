/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only the service writes and reads it; it outlives a killed one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "host/state-files.h"
#include "job-file.h"
#include "jobs.h"
#include "model/record.h"

#define JOB_FILE_SIZE 512

const char *job_path(uint64_t number, char buffer[static JOB_PATH_SIZE]) {
        (void)snprintf(buffer, JOB_PATH_SIZE, BUS_PATH "/job/%" PRIu64, number);
        return buffer;
}

void job_mark_result(const Root *root, JobRecord *record) {
        struct stat result;

        record->result_inode = record->result_time = 0;
        if (fstatat(root->fd, RESULT_PATH, &result, 0) < 0)
                return;
        record->result_inode = result.st_ino;
        record->result_time = (uint64_t)result.st_mtim.tv_sec * UINT64_C(1000000000) +
                              (uint64_t)result.st_mtim.tv_nsec;
}

static int parse_mode(const char *value, char ret[static CONFIG_NAME_SIZE]) {
        if (value[0] != '\0' && !config_name_is_valid(value))
                return -EBADMSG;
        return parse_copy(ret, CONFIG_NAME_SIZE, value, strlen(value));
}

static int parse_yes(const char *value, bool *ret) {
        *ret = strcmp(value, "yes") == 0;
        return *ret || strcmp(value, "no") == 0 ? 0 : -EBADMSG;
}

static int parse_line(const char *key, const char *value, JobRecord *record) {
        if (strcmp(key, "number") == 0)
                return parse_decimal(value, UINT64_MAX, &record->number);
        if (strcmp(key, "confirm-within") == 0)
                return parse_decimal(value, UINT64_MAX, &record->confirm_within);
        if (strcmp(key, "result-inode") == 0)
                return parse_decimal(value, UINT64_MAX, &record->result_inode);
        if (strcmp(key, "result-time") == 0)
                return parse_decimal(value, UINT64_MAX, &record->result_time);
        if (strcmp(key, "for-vm") == 0)
                return parse_yes(value, &record->is_for_vm);
        if (strcmp(key, "mode") == 0)
                return parse_mode(value, record->mode);
        if (strcmp(key, "back") == 0)
                return parse_mode(value, record->back);
        return -EBADMSG;
}

int job_file_read(const Root *root, JobRecord *ret) {
        char text[JOB_FILE_SIZE], line[JOB_FILE_SIZE];
        const char *cursor = text, *value;
        JobRecord record = { 0 };
        ssize_t n;
        int r;

        n = file_read_at(root->fd, JOB_FILE, text, sizeof(text));
        if (n < 0)
                return (int)n;
        while ((r = record_next(&cursor, line, sizeof(line), &value)) > 0)
                if (parse_line(line, value, &record) < 0)
                        return -EBADMSG;
        if (r < 0)
                return r;
        *ret = record;
        return 0;
}

int job_file_write(const Root *root, const JobRecord *record) {
        char text[JOB_FILE_SIZE];
        int n;

        n = snprintf(text, sizeof(text),
                     "number=%" PRIu64 "\nmode=%s\nback=%s\nconfirm-within=%" PRIu64
                     "\nfor-vm=%s\nresult-inode=%" PRIu64 "\nresult-time=%" PRIu64 "\n",
                     record->number, record->mode, record->back, record->confirm_within,
                     record->is_for_vm ? "yes" : "no", record->result_inode, record->result_time);
        return file_replace_at(root->fd, JOB_FILE, text, (size_t)n);
}
