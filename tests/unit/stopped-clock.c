/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stopped-clock.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "model/process-stat.h"

#define STEP_MSEC 1 /* between looks: nothing tells that a process has begun to sleep */

#define FDS_MAX 1024

static uint64_t now;
static bool waits_on;
static int last_socket = -1;
static pid_t children[FDS_MAX]; /* by the descriptor that leads to each */

/* By the linker (--wrap). */
uint64_t __wrap_now_usec(void);
uint64_t __real_now_usec(void);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask);
int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_socketpair(int domain, int type, int protocol, int fds[2]);
int __real_socketpair(int domain, int type, int protocol, int fds[2]);
pid_t __wrap_fork(void);
pid_t __real_fork(void);

void stopped_clock_wait_on(void) {
        waits_on = true;
}

uint64_t __wrap_now_usec(void) {
        if (now == 0)
                now = __real_now_usec();
        return now;
}

/* --- who is waited for --- */

static int of_pidfd(int fd) {
        char path[64], line[64];
        FILE *file;
        int pid = 0;

        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        file = fopen(path, "re");
        while (file && pid == 0 && fgets(line, sizeof(line), file))
                if (sscanf(line, "Pid: %d", &pid) != 1)
                        pid = 0;
        if (file)
                (void)fclose(file);
        return pid;
}

/* A writer's is the child that was made when its socket had been. */
int __wrap_socketpair(int domain, int type, int protocol, int fds[2]) {
        int r = __real_socketpair(domain, type, protocol, fds);

        last_socket = r < 0 ? -1 : fds[0];
        return r;
}

pid_t __wrap_fork(void) {
        pid_t pid = __real_fork();

        if (pid > 0 && last_socket >= 0 && last_socket < FDS_MAX)
                children[last_socket] = pid;
        last_socket = -1;
        return pid;
}

/* Not as one waits for a disk, or for a processor. */
static bool sleeps(int pid) {
        char path[64], line[1024], state = 'R';
        uint64_t start;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        file = fopen(path, "re");
        if (!file)
                return false;
        if (!fgets(line, sizeof(line), file) || process_stat_parse(line, &state, &start) < 0)
                state = 'R';
        (void)fclose(file);
        return state == 'S';
}

/* Looked at in this order: one that sleeps since it has answered is found to have answered. */
static int wait_for(struct pollfd *wanted, uint64_t usec) {
        int r, pid = of_pidfd(wanted->fd);

        if (pid == 0 && wanted->fd >= 0 && wanted->fd < FDS_MAX)
                pid = children[wanted->fd];
        for (;;) {
                const bool is_asleep = sleeps(pid);

                r = __real_poll(wanted, 1, is_asleep && !waits_on ? 0 : STEP_MSEC);
                if (r != 0)
                        return r;
                if (is_asleep && !waits_on)
                        break;
        }
        now = __wrap_now_usec() + usec;
        return 0;
}

int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask) {
        if (n != 1 || !timeout)
                return __real_ppoll(fds, n, timeout, mask);
        return wait_for(fds,
                        (uint64_t)timeout->tv_sec * 1000000 + (uint64_t)timeout->tv_nsec / 1000);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout) {
        if (n != 1 || timeout < 0)
                return __real_poll(fds, n, timeout);
        return wait_for(fds, (uint64_t)timeout * 1000);
}
