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
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Takes what fits, and one byte more; who prints still more is told so by a pipe that is closed. */
static ssize_t read_bytes(int fd, uint8_t *buffer, size_t size) {
        size_t length = 0;
        ssize_t n = 1;

        while (length < size && n != 0) {
                n = read(fd, buffer + length, size - length);
                if (n > 0)
                        length += (size_t)n;
                else if (n < 0 && errno != EINTR)
                        return -errno;
        }
        return (ssize_t)length;
}

/* Where it goes; else it is a descriptor. */
enum {
        STANDARD_ERROR_DROPPED = -1,
        STANDARD_ERROR_WITH_OUTPUT = -2,
        STANDARD_ERROR_OURS = -3,
};

/* @write_end: becomes its stdout; negative: it has ours */
static int start(const char *const *arguments, int write_end, int error, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        if (error == STANDARD_ERROR_DROPPED)
                (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
                                                       O_WRONLY, 0);
        if (write_end >= 0)
                (void)posix_spawn_file_actions_adddup2(&actions, write_end, STDOUT_FILENO);
        if (error == STANDARD_ERROR_WITH_OUTPUT)
                (void)posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
        else if (error >= 0)
                (void)posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
        r = posix_spawnp(ret, arguments[0], &actions, NULL, (char *const *)arguments, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* Returns the end of a pipe that it prints to. */
static int start_to_read(const char *const *arguments, int error, pid_t *ret) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        int r, fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_end = fds[0];
        write_end = fds[1];
        r = start(arguments, write_end, error, ret);
        return r < 0 ? r : TAKE_FD(read_end);
}

static int run_to_read(const char *const *arguments, int error, char *output, size_t size) {
        pid_t pid = 0;
        int fd = start_to_read(arguments, error, &pid), r, status;

        if (fd < 0)
                return fd;
        r = read_output(fd, output, size);
        /* Where it was not read to its end, the writer is not to wait for us. */
        closep(&fd);
        status = wait_for(pid);
        return r < 0 ? r : status;
}

int command_run(const char *const *arguments, char *output, size_t size) {
        pid_t pid = 0;
        int r;

        if (output)
                return run_to_read(arguments, STANDARD_ERROR_DROPPED, output, size);
        r = start(arguments, -1, STANDARD_ERROR_DROPPED, &pid);
        return r < 0 ? r : wait_for(pid);
}

int command_run_both(const char *const *arguments, char *output, size_t size) {
        return run_to_read(arguments, STANDARD_ERROR_WITH_OUTPUT, output, size);
}

/* A file, and no second pipe: nobody has to read it while the program runs. */
static int read_said(int fd, char *said, size_t size) {
        ssize_t n = pread(fd, said, size - 1, 0);

        said[n < 0 ? 0 : n] = '\0';
        return n < 0 ? -errno : 0;
}

int command_read(const char *const *arguments, size_t max, uint8_t **ret, size_t *ret_size,
                 char *said, size_t said_size) {
        _cleanup_free_ uint8_t *buffer = malloc(max + 1);
        _cleanup_close_ int error = -1;
        int fd, r = 0, status;
        ssize_t n;
        pid_t pid = 0;

        if (said) {
                said[0] = '\0';
                error = memfd_create("stderr", MFD_CLOEXEC);
                if (error < 0)
                        return -errno;
        }
        if (!buffer)
                return -ENOMEM;
        fd = start_to_read(arguments, said ? error : STANDARD_ERROR_OURS, &pid);
        if (fd < 0)
                return fd;
        n = read_bytes(fd, buffer, max + 1);
        closep(&fd);
        status = wait_for(pid);
        if (said)
                r = read_said(error, said, said_size);
        if (n < 0 || r < 0)
                return n < 0 ? (int)n : r;
        if ((size_t)n > max)
                return -EFBIG;
        if (status == 0) {
                *ret = TAKE_PTR(buffer);
                *ret_size = (size_t)n;
        }
        return status;
}
