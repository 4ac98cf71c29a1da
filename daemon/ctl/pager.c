/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As systemctl(1) does it: $PAGER, else less(1), which itself ends at once where all fits on the
 * screen. For root only less(1) without its shell: who may run this by sudo may not thereby run
 * anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pager.h"
#include "text.h"

/* Runs in the child. What cannot be run gives way to the next; cat(1) is everywhere. */
_Noreturn static void run_pager(int read_fd) {
        const char *own;
        int input;

        input = dup2(read_fd, STDIN_FILENO);
        if (input < 0)
                _exit(EXIT_FAILURE);
        (void)setenv("LESS", "FRSXMK", 0);
        if (geteuid() == 0)
                (void)setenv("LESSSECURE", "1", 1);
        own = geteuid() == 0 ? NULL : getenv("PAGER"); /* after setenv(3), which may move it */
        if (own)
                (void)execl("/bin/sh", "sh", "-c", own, NULL);
        (void)execlp("less", "less", NULL);
        (void)execlp("cat", "cat", NULL);
        _exit(EXIT_FAILURE);
}

pid_t pager_open(void) {
        const char *own = getenv("PAGER");
        int fds[2];
        pid_t pid;

        if (own && (own[0] == '\0' || strcmp(own, "cat") == 0))
                return 0;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        pid = fork();
        if (pid == 0)
                run_pager(fds[0]);
        if (pid > 0)
                (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)close(fds[1]);
        return pid > 0 ? pid : 0;
}

void pager_close(pid_t pager) {
        if (pager == 0)
                return;
        /* The pager reads until the last descriptor of the pipe is gone. */
        (void)fflush(stdout);
        (void)close(STDOUT_FILENO);
        while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
                ;
}
