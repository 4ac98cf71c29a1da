/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a program, and kills it when it is about to make its Nth system call that changes something:
 *
 *     kill-at FILE PROGRAM [ARGUMENT...]
 *
 * FILE says N; 0 kills nothing, and is there again for the next program. FILE.seen says then
 * "killed N SYSCALL", or "seen N" where the program came to its end. FILE is locked (flock) until
 * that line is there. Where FILE says more, the program is not killed:
 *
 *     N -ERRNO   the call fails with this number and does nothing: "failed N SYSCALL"
 *     N COMMAND  it is stopped, while a shell runs the command
 *
 * The program replaces this process, and its child is the tracer: for systemd, it is the unit's
 * main process. A child that it forks and that stays the same program (the one that makes its
 * writes) counts as itself, and is killed with it. What it spawns is not counted, only that it is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct __ptrace_syscall_info Call;

static void check(bool good, const char *what) {
        if (good)
                return;
        perror(what);
        exit(1);
}

static bool opens_for_writing(unsigned long flags) {
        return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
}

/* Lines for the journal, on descriptors 1 and 2, change nothing. */
static bool changes_something(const Call *call) {
        switch (call->entry.nr) {
        case SYS_write:
        case SYS_writev:
        case SYS_pwrite64:
                return call->entry.args[0] > STDERR_FILENO;
        case SYS_open:
                return opens_for_writing(call->entry.args[1]);
        case SYS_openat:
                return opens_for_writing(call->entry.args[2]);
        case SYS_rename:
        case SYS_renameat:
        case SYS_renameat2:
        case SYS_unlink:
        case SYS_unlinkat:
        case SYS_mkdir:
        case SYS_mkdirat:
        case SYS_rmdir:
        case SYS_symlink:
        case SYS_symlinkat:
        case SYS_link:
        case SYS_linkat:
        case SYS_truncate:
        case SYS_ftruncate:
        case SYS_chmod:
        case SYS_fchmod:
        case SYS_fchmodat:
        case SYS_init_module:
        case SYS_finit_module:
        case SYS_delete_module:
        case SYS_fork:
        case SYS_vfork:
        case SYS_clone:
        case SYS_clone3:
                return true;
        default:
                return false;
        }
}

/* Where a child puts its standard descriptors. */
static bool opens_null(pid_t pid, const Call *call) {
        static const char null[] = "/dev/null";
        char path[sizeof(null)] = "";
        struct iovec local = { path, sizeof(path) };
        struct iovec remote = { (void *)(uintptr_t)call->entry.args[1], sizeof(path) };

        return call->entry.nr == SYS_openat &&
               process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)sizeof(path) &&
               memcmp(path, null, sizeof(null)) == 0;
}

/* Whether the program is at a call to be counted: on its way in, after its own exec. */
static bool is_at_change(pid_t pid, int status, bool *is_running) {
        Call call;

        if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8)))
                *is_running = true;
        return *is_running && WSTOPSIG(status) == (SIGTRAP | 0x80) &&
               ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), &call) > 0 &&
               call.op == PTRACE_SYSCALL_INFO_ENTRY && changes_something(&call) &&
               !opens_null(pid, &call);
}

static long call_number(pid_t pid) {
        Call call;

        return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), &call) > 0 ? (long)call.entry.nr
                                                                             : -1;
}

/* A signal is passed on; what ptrace itself stopped the program for is not one. */
static int signal_of(int status) {
        int signal = WSTOPSIG(status);

        return status >> 16 != 0 || signal == SIGTRAP || signal == (SIGTRAP | 0x80) ? 0 : signal;
}

static bool is_fork(int status) {
        return status >> 8 == (SIGTRAP | (PTRACE_EVENT_FORK << 8));
}

static void kill_both(pid_t program, pid_t child) {
        int status;

        check(kill(program, SIGKILL) == 0, "kill");
        if (child > 0)
                (void)kill(child, SIGKILL);
        (void)waitpid(program, &status, 0);
        if (child > 0)
                (void)waitpid(child, &status, 0);
}

static void set_register(pid_t pid, size_t offset, long value) {
        check(ptrace(PTRACE_POKEUSER, pid, offset, value) == 0, "PTRACE_POKEUSER");
}

/* Has the call that it is at come to nothing (tests/sweep/fault-at.c does the same). */
static void fail_call(pid_t pid, long error) {
        int status;

        set_register(pid, offsetof(struct user, regs.orig_rax), -1);
        check(ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid &&
                      WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80),
              "the end of the call");
        set_register(pid, offsetof(struct user, regs.rax), error);
}

static void trace(pid_t program, const char *order, FILE *seen) {
        bool is_running = false;
        char *more = NULL;
        long count = 0, n = strtol(order, &more, 10);
        unsigned long child = 0;
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, __WALL)) > 0) {
                long signal;

                if (!WIFSTOPPED(status)) {
                        if (pid == program)
                                break;
                        child = (pid_t)child == pid ? 0 : child;
                        continue;
                }
                if (is_fork(status))
                        check(ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0,
                              "PTRACE_GETEVENTMSG");
                signal = signal_of(status);
                if (is_at_change(pid, status, &is_running) && ++count == n) {
                        bool fails = strncmp(more, " -", 2) == 0;

                        if (fails || *more != ' ')
                                (void)fprintf(seen, "%s %ld %ld\n", fails ? "failed" : "killed",
                                              count, call_number(pid));
                        if (fails)
                                fail_call(pid, atol(more));
                        else if (*more == ' ')
                                check(system(more) == 0, more);
                        else {
                                kill_both(program, (pid_t)child);
                                return;
                        }
                }
                (void)ptrace(PTRACE_SYSCALL, pid, 0, signal);
        }
        if (ftell(seen) == 0)
                (void)fprintf(seen, "seen %ld\n", count);
}

static void tracer(pid_t pid, const char *order, const char *path, int go) {
        FILE *seen = fopen(path, "w");

        check(seen, path);
        check(ptrace(PTRACE_SEIZE, pid, 0,
                     PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK) == 0,
              "PTRACE_SEIZE");
        check(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0, "PTRACE_INTERRUPT");
        check(write(go, "", 1) == 1, "write");
        trace(pid, order, seen);
        check(fclose(seen) == 0, path);
}

int main(int argc, char *argv[]) {
        char text[1024] = "", path[PATH_MAX], byte;
        pid_t self = getpid();
        int lock, go[2];

        check(argc > 2, "usage: kill-at FILE PROGRAM [ARGUMENT...]");
        lock = open(argv[1], O_RDWR | O_CLOEXEC);
        check(lock >= 0 && read(lock, text, sizeof(text) - 1) > 0, argv[1]);
        if (atol(text) == 0) {
                (void)execv(argv[2], argv + 2);
                check(false, argv[2]);
        }
        check(flock(lock, LOCK_EX) == 0 && pipe2(go, O_CLOEXEC) == 0, "flock, pipe");
        check(ftruncate(lock, 0) == 0 && pwrite(lock, "0\n", 2, 0) == 2, argv[1]);
        (void)snprintf(path, sizeof(path), "%s.seen", argv[1]);
        if (fork() == 0) {
                /* Nobody's child, so that the program has none that it did not make. */
                if (fork() == 0)
                        tracer(self, text, path, go[1]);
                _exit(0);
        }
        (void)wait(NULL);
        check(read(go[0], &byte, 1) == 1, "read");
        (void)execv(argv[2], argv + 2);
        check(false, argv[2]);
}
