/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a program of the system. There is no shell in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "command.h"

static int wait_for(pid_t pid) {
        int status;

        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* Reads what fits and lets the rest go, so that the writer never waits for us. */
static void read_output(int fd, char *output, size_t size) {
        size_t length = 0;
        char rest[512];
        ssize_t n;

        while (length < size - 1 && (n = read(fd, output + length, size - 1 - length)) > 0)
                length += (size_t)n;
        output[length] = '\0';
        while (read(fd, rest, sizeof(rest)) > 0)
                ;
}

int command_run(const char *const *arguments, char *output, size_t size) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        posix_spawn_file_actions_t actions;
        int r, fds[2] = { -1, -1 };
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
                read_output(read_end, output, size);
        return wait_for(pid);
}
