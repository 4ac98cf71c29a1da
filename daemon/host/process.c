/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that is stuck in the kernel cannot be asked, but /proc/PID/stat tells of it without
 * waiting.
 */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "model/process-stat.h"
#include "process.h"

int process_start(const Root *root, int pid, uint64_t *ret) {
        char path[32], line[1024], state;
        uint64_t start;
        ssize_t n;
        int r;

        (void)snprintf(path, sizeof(path), "proc/%d/stat", pid);
        n = file_read_line_at(root->fd, path, line, sizeof(line));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        r = process_stat_parse(line, &state, &start);
        if (r < 0)
                return r;
        if (state == 'Z' || state == 'X')
                return -ESRCH;
        *ret = start;
        return 0;
}

bool process_is_there(const Root *root, int pid, uint64_t start) {
        uint64_t now = 0;

        return pid > 0 && process_start(root, pid, &now) >= 0 && now == start;
}
