/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A key of the terminal is a signal to the whole process group, so the command has it already when
 * this process gets it; every other signal was sent to this process alone, as far as it can know,
 * and is passed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/foreground.h"
#include "ctl/text.h"
#include "view/words.h"

static const int passed_on[] = {
        SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT,
};

/* SIGPIPE and SIGTTOU: what this process says to a reader that has gone, or from the background to
 * a terminal that does not want that, is no reason to end or to stop. */
static const int only_held[] = { SIGCHLD, SIGPIPE, SIGTTOU };

static void add_all(sigset_t *set, const int *signals, size_t n) {
        for (size_t i = 0; i < n; i++)
                (void)sigaddset(set, signals[i]);
}

/* --- the command --- */

static int look_at(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

/* $PATH; where there is none, what execvp(3) goes by then. */
static char *search_path(void) {
        const char *path = getenv("PATH");
        size_t size = confstr(_CS_PATH, NULL, 0);
        char *ret;

        if (path)
                return must_have(strdup(path));
        ret = must_have(calloc(1, size + 1));
        (void)confstr(_CS_PATH, ret, size);
        return ret;
}

int foreground_find(const char *command) {
        _cleanup_free_ char *path = NULL;
        int r = -ENOENT;

        if (command[0] == '\0' || strchr(command, '/'))
                return look_at(command);
        path = search_path();
        for (char *folder, *rest = path; (folder = strsep(&rest, ":"));) {
                _cleanup_free_ char *file = NULL;
                int here;

                /* An empty one is the working directory. */
                file = text_format("%s/%s", folder[0] != '\0' ? folder : ".", command);
                here = look_at(file);
                if (here == 0)
                        return 0;
                if (here == -EACCES)
                        r = here;
        }
        return r;
}

int foreground_become(char **command) {
        int error;

        (void)execvp(command[0], command);
        error = errno;
        complain("Cannot run '%s': %s", command[0], strerror(error));
        return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* --- signals --- */

void foreground_hold_signals(ForegroundSignals *ret) {
        /* Where it is ignored, as it may have been inherited, no child can be waited for. */
        static const struct sigaction by_default = { .sa_handler = SIG_DFL };
        sigset_t held;

        (void)sigemptyset(&held);
        add_all(&held, passed_on, ARRAY_SIZE(passed_on));
        add_all(&held, only_held, ARRAY_SIZE(only_held));
        (void)sigprocmask(SIG_BLOCK, &held, &ret->mask);
        (void)sigaction(SIGCHLD, &by_default, &ret->on_child);
}

/* Also those of the terminal: the command was not there yet when they came. One that it has got as
 * well is the same one, since it holds them back still. */
static void pass_on_what_waited(pid_t child) {
        static const struct timespec now = { 0 };
        sigset_t signals;
        int number;

        (void)sigemptyset(&signals);
        add_all(&signals, passed_on, ARRAY_SIZE(passed_on));
        while ((number = sigtimedwait(&signals, NULL, &now)) > 0)
                (void)kill(child, number);
}

/* The end of a session is told to its leader, which may be this process alone. */
static bool is_known_to_command(const siginfo_t *info, pid_t child) {
        bool may_be_key =
                info->si_signo == SIGINT || info->si_signo == SIGQUIT || info->si_signo == SIGTSTP;

        return info->si_code == SI_KERNEL ? may_be_key : info->si_pid == child;
}

/* By the same signal: where no shell is there to go on with it, the kernel stops nobody by these.
 * To be stopped by SIGSTOP is the command's own affair. */
static void stop_as_well(int number) {
        sigset_t one, before, waiting;

        if (number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
                return;
        /* Somebody goes on with it already, which raise(3) would forget. */
        if (sigpending(&waiting) == 0 && sigismember(&waiting, SIGCONT))
                return;
        (void)raise(number);
        (void)sigemptyset(&one);
        (void)sigaddset(&one, number);
        (void)sigprocmask(SIG_UNBLOCK, &one, &before);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/* --- running it --- */

/* @go: one byte comes from there when the signals that have waited are here */
_Noreturn static void run_child(char **command, const ForegroundSignals *before, int go) {
        char byte;

        if (read(go, &byte, 1) != 1)
                _exit(EXIT_WRAPPER_FAILED);
        (void)sigaction(SIGCHLD, &before->on_child, NULL);
        (void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
        _exit(foreground_become(command));
}

static pid_t start(char **command, const ForegroundSignals *before) {
        _cleanup_close_ int wait_end = -1, go_end = -1;
        int fds[2];
        pid_t child;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        wait_end = fds[0];
        go_end = fds[1];
        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0) {
                (void)close(TAKE_FD(go_end));
                run_child(command, before, wait_end);
        }
        pass_on_what_waited(child);
        /* Where somebody has ended it by now, that is seen next. */
        return write(go_end, "", 1) < 0 && errno != EPIPE ? -errno : child;
}

/* Returns the status once there is one; -EAGAIN: not yet; or the error of waiting. */
static int look_after(pid_t child) {
        pid_t changed;
        int status;

        changed = waitpid(child, &status, WNOHANG | WUNTRACED);
        if (changed < 0)
                return -errno;
        if (changed == 0)
                return -EAGAIN;
        if (WIFSTOPPED(status)) {
                stop_as_well(WSTOPSIG(status));
                return -EAGAIN;
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BY_SIGNAL + WTERMSIG(status);
}

static int follow(pid_t child) {
        sigset_t signals;
        int r = -EAGAIN;

        (void)sigemptyset(&signals);
        add_all(&signals, passed_on, ARRAY_SIZE(passed_on));
        (void)sigaddset(&signals, SIGCHLD);
        while (r == -EAGAIN || r == -EINTR) {
                siginfo_t info;
                int number = sigwaitinfo(&signals, &info);

                if (number == SIGCHLD)
                        r = look_after(child);
                else if (number > 0 && !is_known_to_command(&info, child))
                        (void)kill(child, number);
        }
        return r;
}

int foreground_run(char **command, const ForegroundSignals *before) {
        pid_t child;
        int r;

        child = start(command, before);
        r = child < 0 ? (int)child : follow(child);
        if (r >= 0)
                return r;
        complain("Cannot run '%s': %s", command[0], strerror(-r));
        return EXIT_WRAPPER_FAILED;
}
