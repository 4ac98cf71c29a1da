/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "real-node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(bool holds, const char *what) {
        if (holds)
                return;
        (void)fprintf(stderr, "real-node: %s: %s\n", what, strerror(errno));
        abort();
}

int real_node_take(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -1 : flock(fd, LOCK_EX);
}

static _Noreturn void poll_for_ever(const char *path) {
        for (;;) {
                int fd = open(path, O_RDWR | O_CLOEXEC);

                (void)usleep(300000);
                (void)close(fd);
                (void)usleep(300000);
        }
}

static _Noreturn void be_a_holder(const char *path, Manner manner, int ready) {
        if (manner == STUBBORN)
                (void)signal(SIGTERM, SIG_IGN);
        if ((manner != POLLING && open(path, O_RDWR | O_CLOEXEC) < 0) || write(ready, "", 1) != 1)
                _exit(1);
        if (manner == POLLING)
                poll_for_ever(path);
        for (;;)
                (void)pause();
}

pid_t real_node_fork(int *ret_ready) {
        int ready[2];
        pid_t pid;

        must(pipe2(ready, O_CLOEXEC) == 0, "pipe2");
        pid = fork();
        must(pid >= 0, "fork");
        /* A test that fails leaves nobody behind, who would have real_node_take()'s lock as well.
         */
        if (pid == 0)
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        *ret_ready = ready[pid == 0];
        (void)close(ready[pid != 0]); /* so that the end of a child is heard of */
        return pid;
}

bool real_node_is_ready(int ready) {
        char byte;
        bool is_ready = read(ready, &byte, 1) == 1;

        (void)close(ready);
        return is_ready;
}

pid_t real_node_hold(const char *path, Manner manner) {
        int ready;
        pid_t pid = real_node_fork(&ready);

        if (pid == 0)
                be_a_holder(path, manner, ready);
        must(real_node_is_ready(ready), path);
        return pid;
}

void real_node_end(pid_t pid) {
        must(kill(pid, SIGKILL) == 0, "kill");
        must(waitpid(pid, NULL, 0) == pid, "waitpid");
}

void real_node_link_processes(FakeHost *fake, const Root *root) {
        if (fake_host_exists(fake, "proc"))
                fake_host_remove(fake, "proc");
        must(symlinkat("/proc", root->fd, "proc") == 0, "symlinkat");
}

void real_node_use_processes(FakeHost *fake, Root *root) {
        real_node_link_processes(fake, root);
        root->is_live = true;
}
