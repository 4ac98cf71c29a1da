/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pidfd_open(2) and what it is good for.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "processes.h"

void targets_done(Targets *targets) {
        for (size_t i = 0; i < targets->n; i++)
                closep(&targets->list[i].fd);
        targets->n = 0;
}

Target *targets_find(Targets *targets, int pid) {
        for (size_t i = 0; i < targets->n; i++)
                if (targets->list[i].pid == pid)
                        return &targets->list[i];
        return NULL;
}

unsigned targets_watch(Targets *targets, const Holders *holders) {
        unsigned n = 0;

        for (size_t i = 0; i < holders->n && targets->n < HOLDERS_MAX; i++) {
                int pid = holders->list[i].pid, fd;

                if (targets_find(targets, pid))
                        continue;
                fd = pidfd_open(pid, 0);
                if (fd < 0)
                        continue;
                targets->list[targets->n++] = (Target){ .pid = pid, .fd = fd };
                n++;
        }
        return n;
}

void targets_wait(Targets *targets, uint64_t usec) {
        struct pollfd fds[HOLDERS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < targets->n; i++)
                fds[i] = (struct pollfd){ .fd = targets->list[i].fd, .events = POLLIN };
        if (poll(fds, targets->n, (int)((usec + MSEC - 1) / MSEC)) <= 0)
                return;
        for (size_t i = 0; i < targets->n; i++) {
                if (fds[i].revents != 0)
                        closep(&targets->list[i].fd);
                else
                        targets->list[n++] = targets->list[i];
        }
        targets->n = n;
}

void target_end(Target *target, const NodeHolder *holder) {
        uint64_t now = now_usec();

        if (target->asked_at == 0) {
                log_notice("Asking process %d (%s) to end.", holder->pid, holder->command);
                target->asked_at = now;
                (void)pidfd_send_signal(target->fd, SIGTERM, NULL, 0);
        } else if (!target->is_killed && now - target->asked_at >= TERM_PATIENCE) {
                log_notice("Process %d (%s) did not end when asked to; killing it.", holder->pid,
                           holder->command);
                target->is_killed = true;
                (void)pidfd_send_signal(target->fd, SIGKILL, NULL, 0);
        }
}
