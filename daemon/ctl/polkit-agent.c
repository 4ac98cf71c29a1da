/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pkttyagent(1), as systemctl(1) runs it: `--fallback` leaves the question to a desktop's agent
 * where there is one, and the descriptor that it closes says that it is ready.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/polkit-agent.h"
#include "view/words.h"

#define PROGRAM "/usr/bin/pkttyagent"
#define READY_TIMEOUT 5000 /* ms */

static void wait_until_ready(int fd) {
        struct pollfd polled = { .fd = fd, .events = POLLIN };

        (void)poll(&polled, 1, READY_TIMEOUT);
}

_Noreturn static void run_agent(int ready_fd, pid_t parent) {
        char number[16];
        sigset_t none;
        int fd;

        /* Who holds signals back still ends it by one. */
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        /* The agent must not outlive who asked, whatever ends that. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        fd = fcntl(ready_fd, F_DUPFD, 3); /* without O_CLOEXEC */
        (void)snprintf(number, sizeof(number), "%d", fd);
        (void)execl(PROGRAM, PROGRAM, "--notify-fd", number, "--fallback", (char *)NULL);
        _exit(EXIT_FAILURE);
}

void polkit_agent_open(const Arguments *arguments, pid_t *ret) {
        int ready[2] = { -1, -1 };
        pid_t parent = getpid(), agent;

        *ret = 0;
        /* Root is not asked, and another machine's polkit cannot ask here. */
        if (arguments->host || geteuid() == 0 || !isatty(STDIN_FILENO) ||
            access(PROGRAM, X_OK) < 0 || pipe2(ready, O_CLOEXEC) < 0)
                return;
        agent = fork();
        if (agent == 0)
                run_agent(ready[1], parent);
        (void)close(ready[1]);
        if (agent > 0)
                wait_until_ready(ready[0]);
        (void)close(ready[0]);
        *ret = agent > 0 ? agent : 0;
}

void polkit_agent_closep(const pid_t *agent) {
        if (*agent <= 0)
                return;
        (void)kill(*agent, SIGTERM);
        (void)kill(*agent, SIGCONT);
        (void)waitpid(*agent, NULL, 0);
}
