/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a program on a tree of tests/fake, and has one of its system calls fail, or kills it there:
 *
 *     fault-at LIST ROOT ORDER PROGRAM [ARGUMENT...]
 *
 * Every call that touches something below ROOT, or the child that makes the program's writes, is a
 * point and a line of the file LIST: PROCESS NUMBER CALL PATH. The program is process 0, the first
 * that it forks 1, and so on; each has numbers of its own, from 1, so that a point is the same one
 * in every run. ORDER is "-", or PROCESS:NUMBER ACTION:
 *
 *     ERRNO    fail with this number and do nothing; what is closed is closed all the same
 *     kill     SIGKILL all of them before it is done
 *     kill-it  SIGKILL only the process that is about to do it
 *
 * strace fails calls in the same way, but counts a child's calls and its parent's by the same
 * number, and cannot be told which of the two is meant.
 *
 * What the fake kernel does inside a write(2) are no calls of the program's: it says when it begins
 * and ends (fake-kernel.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 16

typedef struct __ptrace_syscall_info Info;

/* What a call is about. */
typedef enum About {
        ABOUT_FD,      /* its first argument */
        ABOUT_PATH,    /* a path that begins at its first argument */
        ABOUT_POLL,    /* the first descriptor that is waited for */
        ABOUT_CHILDREN /* the process that writes */
} About;

static const struct Call {
        uint64_t number;
        const char *name;
        About about;
} calls[] = {
        { SYS_openat, "openat", ABOUT_PATH },
        { SYS_faccessat, "faccessat", ABOUT_PATH },
        { SYS_faccessat2, "faccessat2", ABOUT_PATH },
        { SYS_readlinkat, "readlinkat", ABOUT_PATH },
        { SYS_newfstatat, "newfstatat", ABOUT_PATH },
        { SYS_statx, "statx", ABOUT_PATH },
        { SYS_mkdirat, "mkdirat", ABOUT_PATH },
        { SYS_unlinkat, "unlinkat", ABOUT_PATH },
        { SYS_renameat, "renameat", ABOUT_PATH },
        { SYS_renameat2, "renameat2", ABOUT_PATH },
        { SYS_read, "read", ABOUT_FD },
        { SYS_pread64, "pread64", ABOUT_FD },
        { SYS_write, "write", ABOUT_FD },
        { SYS_pwrite64, "pwrite64", ABOUT_FD },
        { SYS_getdents64, "getdents64", ABOUT_FD },
        { SYS_fstat, "fstat", ABOUT_FD },
        { SYS_lseek, "lseek", ABOUT_FD },
        { SYS_fcntl, "fcntl", ABOUT_FD },
        { SYS_ftruncate, "ftruncate", ABOUT_FD },
        { SYS_fsync, "fsync", ABOUT_FD },
        { SYS_fdatasync, "fdatasync", ABOUT_FD },
        { SYS_fchmod, "fchmod", ABOUT_FD },
        { SYS_close, "close", ABOUT_FD },
        { SYS_sendto, "sendto", ABOUT_FD },
        { SYS_recvfrom, "recvfrom", ABOUT_FD },
        { SYS_ppoll, "ppoll", ABOUT_POLL },
        { SYS_socketpair, "socketpair", ABOUT_CHILDREN },
        { SYS_clone, "clone", ABOUT_CHILDREN },
        { SYS_clone3, "clone3", ABOUT_CHILDREN },
        { SYS_fork, "fork", ABOUT_CHILDREN },
        { SYS_vfork, "vfork", ABOUT_CHILDREN },
        { SYS_wait4, "wait4", ABOUT_CHILDREN },
};

typedef struct Process {
        pid_t pid; /* 0: has ended */
        unsigned n_points;
        bool is_in_fake;
        bool is_to_fail; /* the call that it is in */
} Process;

typedef struct Trace {
        const char *root;
        FILE *list;
        unsigned process, number; /* of the point that the order is for; number 0: none */
        const char *action;
        Process processes[PROCESSES_MAX];
        size_t n_processes;
} Trace;

static void check(bool good, const char *what) {
        if (good)
                return;
        perror(what);
        exit(125);
}

static void read_memory(pid_t pid, uint64_t address, void *buffer, size_t size) {
        struct iovec local = { buffer, size }, remote = { (void *)(uintptr_t)address, size };

        (void)memset(buffer, 0, size);
        if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0)
                return;
        /* Up to the end of a page. */
        local.iov_len = remote.iov_len = 4096 - address % 4096;
        if (local.iov_len < size)
                (void)process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

/* Where a descriptor leads, below the root; "" elsewhere. */
static void path_of_fd(const Trace *trace, pid_t pid, int fd, char ret[PATH_MAX]) {
        size_t length = strlen(trace->root);
        char link[64], path[PATH_MAX] = "";

        ret[0] = '\0';
        (void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
        if (readlink(link, path, sizeof(path) - 1) < 0)
                return;
        if (strncmp(path, "socket:", strlen("socket:")) == 0)
                (void)strcpy(ret, "socket");
        else if (strncmp(path, trace->root, length) == 0 && path[length] == '/')
                (void)snprintf(ret, PATH_MAX, "%s", path + length + 1);
        else if (strcmp(path, trace->root) == 0)
                (void)strcpy(ret, "/");
}

static void path_of(const Trace *trace, pid_t pid, const Info *info, About about,
                    char ret[PATH_MAX]) {
        char name[PATH_MAX / 2], base[PATH_MAX];
        struct pollfd first;

        ret[0] = '\0';
        switch (about) {
        case ABOUT_CHILDREN:
                (void)strcpy(ret, "socket");
                return;
        case ABOUT_POLL:
                read_memory(pid, info->entry.args[0], &first, sizeof(first));
                path_of_fd(trace, pid, first.fd, ret);
                return;
        case ABOUT_FD:
                path_of_fd(trace, pid, (int)info->entry.args[0], ret);
                /* The root itself is opened and closed. */
                if (strcmp(ret, "/") == 0)
                        ret[0] = '\0';
                return;
        case ABOUT_PATH:
                path_of_fd(trace, pid, (int)info->entry.args[0], base);
                read_memory(pid, info->entry.args[1], name, sizeof(name));
                name[sizeof(name) - 1] = '\0';
                if (base[0] == '\0' || name[0] == '/')
                        return;
                if (strcmp(base, "/") == 0)
                        (void)snprintf(ret, PATH_MAX, "%s", name);
                else
                        (void)snprintf(ret, PATH_MAX, "%.*s%s%s", PATH_MAX / 2 - 2, base,
                                       name[0] != '\0' ? "/" : "", name);
        }
}

static const struct Call *find_call(uint64_t number) {
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
                if (calls[i].number == number)
                        return &calls[i];
        return NULL;
}

static void kill_them(const Trace *trace, pid_t only) {
        for (size_t i = 0; i < trace->n_processes; i++)
                if (trace->processes[i].pid > 0 && (only == 0 || only == trace->processes[i].pid))
                        check(kill(trace->processes[i].pid, SIGKILL) == 0, "kill");
}

static void act(const Trace *trace, Process *process, const struct Call *call) {
        if (strcmp(trace->action, "kill") == 0)
                kill_them(trace, 0);
        else if (strcmp(trace->action, "kill-it") == 0)
                kill_them(trace, process->pid);
        else {
                process->is_to_fail = true;
                if (call->number != SYS_close)
                        check(ptrace(PTRACE_POKEUSER, process->pid,
                                     offsetof(struct user, regs.orig_rax), -1L) == 0,
                              "PTRACE_POKEUSER");
        }
}

static void enter(Trace *trace, Process *process, const Info *info) {
        const struct Call *call = find_call(info->entry.nr);
        char path[PATH_MAX];
        const char *writes;

        if (info->entry.nr == SYS_write && (int)info->entry.args[0] == -1)
                process->is_in_fake = info->entry.args[2] > 0;
        if (!call || process->is_in_fake)
                return;
        path_of(trace, process->pid, info, call->about, path);
        if (path[0] == '\0')
                return;
        process->n_points++;
        writes = call->number == SYS_openat && (info->entry.args[2] & O_ACCMODE) != O_RDONLY ? "-w"
                                                                                             : "";
        (void)fprintf(trace->list, "%u %u %s%s %s\n", (unsigned)(process - trace->processes),
                      process->n_points, call->name, writes, path);
        if (trace->number == process->n_points && process == &trace->processes[trace->process])
                act(trace, process, call);
}

static void leave(const Trace *trace, Process *process) {
        if (!process->is_to_fail)
                return;
        process->is_to_fail = false;
        check(ptrace(PTRACE_POKEUSER, process->pid, offsetof(struct user, regs.rax),
                     -atol(trace->action)) == 0,
              "PTRACE_POKEUSER");
}

static Process *process_of(Trace *trace, pid_t pid) {
        for (size_t i = 0; i < trace->n_processes; i++)
                if (trace->processes[i].pid == pid)
                        return &trace->processes[i];
        check(trace->n_processes < PROCESSES_MAX, "so many processes");
        trace->processes[trace->n_processes] = (Process){ .pid = pid };
        return &trace->processes[trace->n_processes++];
}

/* What a process has stopped for; returns the signal that it is to get. */
static int stopped(Trace *trace, Process *process, int status, bool is_new) {
        int signal = WSTOPSIG(status);
        Info info;

        if (signal != (SIGTRAP | 0x80))
                return status >> 16 != 0 || signal == SIGTRAP || is_new ? 0 : signal;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof(info), &info) <= 0)
                return 0;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                enter(trace, process, &info);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
                leave(trace, process);
        return 0;
}

/* Returns the status of the program itself. */
static int run(Trace *trace) {
        int status, result = 0;
        pid_t pid;

        while ((pid = waitpid(-1, &status, __WALL)) > 0) {
                size_t known = trace->n_processes;
                Process *process = process_of(trace, pid);

                if (WIFSTOPPED(status)) {
                        int signal = stopped(trace, process, status, trace->n_processes > known);

                        (void)ptrace(PTRACE_SYSCALL, pid, 0, (long)signal);
                        continue;
                }
                process->pid = 0;
                if (process == &trace->processes[0])
                        result = status;
        }
        return result;
}

static void start(Trace *trace, char *argv[]) {
        pid_t pid = fork();
        int status;

        check(pid >= 0, "fork");
        if (pid == 0) {
                check(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 && raise(SIGSTOP) == 0,
                      "PTRACE_TRACEME");
                (void)execv(argv[0], argv);
                check(false, argv[0]);
        }
        check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "waitpid");
        check(ptrace(PTRACE_SETOPTIONS, pid, 0,
                     PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                             PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) == 0,
              "PTRACE_SETOPTIONS");
        (void)process_of(trace, pid);
        check(ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0, "PTRACE_SYSCALL");
}

int main(int argc, char *argv[]) {
        Trace trace = { .action = "" };
        char *end;
        int status;

        errno = EINVAL;
        check(argc > 4, "usage: fault-at LIST ROOT ORDER PROGRAM [ARGUMENT...]");
        trace.root = argv[2];
        trace.list = fopen(argv[1], "we");
        check(trace.list, argv[1]);
        if (strcmp(argv[3], "-") != 0) {
                trace.process = (unsigned)strtoul(argv[3], &end, 10);
                check(*end == ':' && trace.process < PROCESSES_MAX, argv[3]);
                trace.number = (unsigned)strtoul(end + 1, &end, 10);
                check(*end == ' ' && trace.number > 0, argv[3]);
                trace.action = end + 1;
        }
        start(&trace, argv + 4);
        status = run(&trace);
        check(fclose(trace.list) == 0, argv[1]);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
