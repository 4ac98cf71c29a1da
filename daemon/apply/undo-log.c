/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log is a RunState whose lines are appended one write(2) each, so that a kill leaves whole
 * lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "host/state-files.h"
#include "undo-log.h"

int undo_log_open(const Root *root, const char *old_mode, const char *mode, const RunState *before,
                  UndoLog *ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        *ret = UNDO_LOG_NULL;
        if (before)
                ret->state = *before;
        ret->state.writer = (RunWriter){ 0 };
        (void)snprintf(ret->state.old_mode, sizeof(ret->state.old_mode), "%s", old_mode);
        (void)snprintf(ret->state.mode, sizeof(ret->state.mode), "%s", mode);
        r = run_state_format(&ret->state, &text);
        if (r >= 0)
                r = file_replace_at(root->fd, UNDO_PATH, text, (size_t)r);
        if (r < 0)
                return r;
        ret->fd = openat(root->fd, UNDO_PATH, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (ret->fd < 0) {
                r = -errno;
                (void)unlinkat(root->fd, UNDO_PATH, 0);
                return r;
        }
        ret->root_fd = root->fd;
        return 0;
}

int undo_log_append(UndoLog *log, const char *line, size_t length) {
        ssize_t n = write(log->fd, line, length);

        if (n < 0)
                return -errno;
        if ((size_t)n == length)
                return 0;
        /* The rest of /run was not enough for the line; the next one must not begin in its middle.
         * Where it cannot be cut off either, who reads it does not count it while it is the last.
         */
        return ftruncate(log->fd, lseek(log->fd, 0, SEEK_CUR) - n) < 0 ? -EIO : -ENOSPC;
}

int undo_log_add_unit(UndoLog *log, const StoppedUnit *unit) {
        char line[256];
        int r;

        if (run_state_find_unit(&log->state, unit->name))
                return 0;
        r = run_state_add_unit(&log->state, unit);
        if (r >= 0)
                r = run_state_format_unit(unit, line, sizeof(line));
        return r < 0 ? r : undo_log_append(log, line, (size_t)r);
}

int undo_log_add(UndoLog *log, const HomeFunction *home) {
        char line[RUN_STATE_HOME_SIZE];
        int r;

        if (run_state_find_home(&log->state, home->address))
                return 0;
        r = run_state_format_home(home, line, sizeof(line));
        if (r >= 0)
                r = undo_log_append(log, line, (size_t)r);
        return r < 0 ? r : run_state_add_home(&log->state, home);
}

int undo_log_add_pool(UndoLog *log, HugepageSize size, uint64_t pages) {
        HomePool *home = &log->state.home_pools[size];
        char line[64];
        int r;

        if (home->is_known)
                return 0;
        r = run_state_format_pool(size, pages, line, sizeof(line));
        if (r >= 0)
                r = undo_log_append(log, line, (size_t)r);
        if (r >= 0)
                *home = (HomePool){ .is_known = true, .pages = pages };
        return r;
}

int undo_log_add_module(UndoLog *log, const char *module) {
        char line[CONFIG_DRIVER_SIZE + 16];
        int r;

        for (size_t i = 0; i < log->state.n_modules; i++)
                if (strcmp(log->state.modules[i], module) == 0)
                        return 0;
        r = run_state_format_module(module, line, sizeof(line));
        if (r >= 0)
                r = undo_log_append(log, line, (size_t)r);
        return r < 0 ? r : run_state_add_module(&log->state, module);
}

int undo_log_add_rom(UndoLog *log, const HomeRom *rom) {
        char line[RUN_STATE_ROM_SIZE];
        int r;

        r = run_state_format_rom(rom, line, sizeof(line));
        if (r >= 0)
                r = undo_log_append(log, line, (size_t)r);
        if (r >= 0)
                log->state.rom = *rom;
        return r < 0 ? r : 0;
}

int undo_log_remove(UndoLog *log) {
        if (log->fd < 0)
                return 0;
        undo_log_close(log);
        if (unlinkat(log->root_fd, UNDO_PATH, 0) >= 0)
                return 0;
        /* What is left says that the machine is half-way, which it is not: not at the first error.
         */
        return unlinkat(log->root_fd, UNDO_PATH, 0) < 0 ? -errno : 0;
}

void undo_log_close(UndoLog *log) {
        closep(&log->fd);
        log->fd = -1;
}
