/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a program of the system. There is no shell in between. Unlike with files (base/file.c) an
 * interrupted call is repeated: the other program takes its time, and to give up before its end
 * would leave it behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "command.h"

static int wait_for(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* Reads what fits and lets the rest go, so that the writer never waits for us. A part of it that
 * looks like the whole would say that something is not there: an error is one of all of it. */
static int read_output(int fd, char *output, size_t size) {
        size_t length = 0;
        char rest[512];
        ssize_t n;

        do {
                bool fits = length < size - 1;

                n = fits ? read(fd, output + length, size - 1 - length)
                         : read(fd, rest, sizeof(rest));
                if (n > 0 && fits)
                        length += (size_t)n;
        } while (n > 0 || (n < 0 && errno == EINTR));
        output[n < 0 ? 0 : length] = '\0';
        return n < 0 ? -errno : 0;
}

int command_run(const char *const *arguments, char *output, size_t size) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        posix_spawn_file_actions_t actions;
        int r, status, fds[2] = { -1, -1 };
        pid_t pid;

        if (output) {
                if (pipe2(fds, O_CLOEXEC) < 0)
                        return -errno;
                read_end = fds[0];
                write_end = fds[1];
        }
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (output)
                (void)posix_spawn_file_actions_adddup2(&actions, write_end, STDOUT_FILENO);
        r = posix_spawnp(&pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        closep(&write_end);
        write_end = -1;
        if (output)
                r = read_output(read_end, output, size);
        /* Where it was not read to its end, the writer is not to wait for us. */
        closep(&read_end);
        read_end = -1;
        status = wait_for(pid);
        return r < 0 ? r : status;
}
