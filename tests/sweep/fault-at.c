/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs PROGRAM, which is or starts the program that is called NAME, on a fake machine, and has one
 * of that one's system calls fail, or kills it there:
 *
 *     fault-at LIST ROOT ORDER NAME PROGRAM [ARGUMENT...]
 *
 * Every call that touches something below ROOT, or a process that it makes, or what it hears of
 * one, is a point and a line of the file LIST: PROCESS NUMBER CALL PATH. The first of that name is
 * process 0, the first that it forks 1, and so on; each has numbers of its own, from 1, so that a
 * point is the same one in every run. One that becomes another program (systemctl) is none of them
 * any more, and goes on by itself. ORDER is "-", or PROCESS:NUMBER ACTION, or, where it differs how
 * often a process waits, PROCESS:NUMBER:CALL ACTION, the number being one among such calls:
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

#define PROCESSES_MAX 64

typedef struct __ptrace_syscall_info Info;

/* What a call is about. */
typedef enum About {
        ABOUT_FD,      /* its first argument */
        ABOUT_PATH,    /* a path that begins at its first argument */
        ABOUT_NAME,    /* a path that is its first argument */
        ABOUT_POLL,    /* the first descriptor that is waited for */
        ABOUT_CHILDREN /* a process of its own, or the way to one */
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
        { SYS_access, "access", ABOUT_NAME },
        { SYS_readlink, "readlink", ABOUT_NAME },
        { SYS_execve, "execve", ABOUT_NAME },
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
        { SYS_dup2, "dup2", ABOUT_FD },
        { SYS_getsockopt, "getsockopt", ABOUT_FD },
        { SYS_setsockopt, "setsockopt", ABOUT_FD },
        { SYS_connect, "connect", ABOUT_FD },
        { SYS_sendmsg, "sendmsg", ABOUT_FD },
        { SYS_sendto, "sendto", ABOUT_FD },
        { SYS_recvfrom, "recvfrom", ABOUT_FD },
        { SYS_poll, "poll", ABOUT_POLL },
        { SYS_ppoll, "ppoll", ABOUT_POLL },
        { SYS_inotify_add_watch, "inotify_add_watch", ABOUT_PATH },
        { SYS_inotify_init1, "inotify_init1", ABOUT_CHILDREN },
        { SYS_pipe2, "pipe2", ABOUT_CHILDREN },
        { SYS_socket, "socket", ABOUT_CHILDREN },
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
        bool is_other; /* another program by now */
        bool is_in_fake;
        bool is_to_fail; /* the call that it is in */
} Process;

typedef struct Trace {
        const char *root;
        const char *name; /* of the program */
        FILE *list;
        unsigned process, number; /* of the point that the order is for; number 0: none */
        const char *call;         /* what is counted for it; NULL: every point */
        unsigned n_counted;
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

/* The system's own files in the chroot, and what belongs to the tests. */
static bool is_machines(const char *path) {
        static const char *const others[] = { ".", "usr/", "lib/", "lib64/", "bin/", "etc/ld.so." };

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (strncmp(path, others[i], strlen(others[i])) == 0)
                        return false;
        return path[0] != '\0';
}

/* Where a descriptor leads, below the root; "" elsewhere. What the standard ones do is no more than
 * to print. */
static void path_of_fd(const Trace *trace, pid_t pid, int fd, char ret[PATH_MAX]) {
        size_t length = strlen(trace->root);
        char link[64], path[PATH_MAX] = "";

        ret[0] = '\0';
        (void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
        if (readlink(link, path, sizeof(path) - 1) < 0)
                return;
        if (strncmp(path, "socket:", strlen("socket:")) == 0)
                (void)strcpy(ret, "socket");
        else if (strncmp(path, "pipe:", strlen("pipe:")) == 0 && fd > STDERR_FILENO)
                (void)strcpy(ret, "pipe");
        else if (strcmp(path, "anon_inode:inotify") == 0)
                (void)strcpy(ret, "inotify");
        else if (strncmp(path, trace->root, length) == 0 && path[length] == '/')
                (void)snprintf(ret, PATH_MAX, "%s", path + length + 1);
        else if (strcmp(path, trace->root) == 0)
                (void)strcpy(ret, "/");
}

/* From the root on where it begins there. */
static void read_name(pid_t pid, uint64_t address, char ret[static PATH_MAX / 2]) {
        read_memory(pid, address, ret, PATH_MAX / 2);
        ret[PATH_MAX / 2 - 1] = '\0';
}

static void path_of(const Trace *trace, pid_t pid, const Info *info, About about,
                    char ret[PATH_MAX]) {
        char name[PATH_MAX / 2], base[PATH_MAX];
        struct pollfd first;

        ret[0] = '\0';
        switch (about) {
        case ABOUT_CHILDREN:
                (void)strcpy(ret, "process");
                return;
        case ABOUT_NAME:
                read_name(pid, info->entry.args[0], name);
                if (name[0] == '/' && (info->entry.nr == SYS_execve || is_machines(name + 1)))
                        (void)snprintf(ret, PATH_MAX, "%s", name + 1);
                return;
        case ABOUT_POLL:
                read_memory(pid, info->entry.args[0], &first, sizeof(first));
                path_of_fd(trace, pid, first.fd, ret);
                return;
        case ABOUT_FD:
                path_of_fd(trace, pid, (int)info->entry.args[0], ret);
                /* The root itself is opened and closed. */
                if (!is_machines(ret) || strcmp(ret, "/") == 0)
                        ret[0] = '\0';
                return;
        case ABOUT_PATH:
                path_of_fd(trace, pid, (int)info->entry.args[0], base);
                read_name(pid, info->entry.args[1], name);
                if (name[0] == '/' && is_machines(name + 1))
                        (void)snprintf(ret, PATH_MAX, "%s", name + 1);
                if (base[0] == '\0' || name[0] == '/')
                        return;
                if (strcmp(base, "/") == 0)
                        (void)snprintf(ret, PATH_MAX, "%s", name);
                else
                        (void)snprintf(ret, PATH_MAX, "%.*s%s%s", PATH_MAX / 2 - 2, base,
                                       name[0] != '\0' ? "/" : "", name);
                if (!is_machines(ret))
                        ret[0] = '\0';
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
                if (trace->processes[i].pid > 0 && !trace->processes[i].is_other &&
                    (only == 0 || only == trace->processes[i].pid))
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
        char path[PATH_MAX], name[32];

        if (info->entry.nr == SYS_write && (int)info->entry.args[0] == -1)
                process->is_in_fake = info->entry.args[2] > 0;
        if (!call || process->is_in_fake)
                return;
        path_of(trace, process->pid, info, call->about, path);
        if (path[0] == '\0')
                return;
        process->n_points++;
        (void)snprintf(name, sizeof(name), "%s%s", call->name,
                       call->number == SYS_openat && (info->entry.args[2] & O_ACCMODE) != O_RDONLY
                               ? "-w"
                               : "");
        (void)fprintf(trace->list, "%u %u %s %s\n", (unsigned)(process - trace->processes),
                      process->n_points, name, path);
        if (process == &trace->processes[trace->process] &&
            (!trace->call || strcmp(trace->call, name) == 0) && ++trace->n_counted == trace->number)
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
                if (pid != 0 && trace->processes[i].pid == pid)
                        return &trace->processes[i];
        return NULL;
}

static pid_t parent_of(pid_t pid) {
        char path[64], text[512] = "", *end;
        pid_t parent = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        file = fopen(path, "re");
        if (!file)
                return 0;
        end = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
        (void)fclose(file);
        if (end)
                (void)sscanf(end + 1, " %*c %d", &parent);
        return parent;
}

static bool runs(pid_t pid, const char *name) {
        char link[64], path[PATH_MAX] = "";
        const char *last;

        (void)snprintf(link, sizeof(link), "/proc/%d/exe", pid);
        if (readlink(link, path, sizeof(path) - 1) < 0)
                return false;
        last = strrchr(path, '/');
        return last && strcmp(last + 1, name) == 0;
}

static Process *add(Trace *trace, pid_t pid) {
        check(trace->n_processes < PROCESSES_MAX, "so many processes");
        trace->processes[trace->n_processes] = (Process){ .pid = pid };
        return &trace->processes[trace->n_processes++];
}

/* Which of ours has stopped: from the first exec of the program on, it and what it forks. */
static Process *ours(Trace *trace, pid_t pid, int status) {
        bool has_become = status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8));
        Process *process = process_of(trace, pid);

        if (process) {
                process->is_other |= has_become;
                return process->is_other ? NULL : process;
        }
        if (trace->n_processes == 0)
                return has_become && runs(pid, trace->name) ? add(trace, pid) : NULL;
        process = process_of(trace, parent_of(pid));
        return process && !process->is_other ? add(trace, pid) : NULL;
}

/* What ptrace itself has stopped a process for is no signal of its own. */
static int signal_of(int status) {
        int signal = WSTOPSIG(status);

        return status >> 16 != 0 || signal == SIGTRAP || signal == (SIGTRAP | 0x80) ? 0 : signal;
}

static void stopped(Trace *trace, Process *process, int status) {
        Info info;

        if (WSTOPSIG(status) != (SIGTRAP | 0x80) ||
            ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof(info), &info) <= 0)
                return;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                enter(trace, process, &info);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
                leave(trace, process);
}

/* Returns the status of the program itself. */
static int run(Trace *trace, pid_t program) {
        int status, result = 0;
        pid_t pid;

        while ((pid = waitpid(-1, &status, __WALL)) > 0) {
                bool is_known = process_of(trace, pid);
                Process *process;
                int signal;

                if (!WIFSTOPPED(status)) {
                        process = process_of(trace, pid);
                        if (process)
                                process->pid = 0;
                        if (pid == program)
                                result = status;
                        continue;
                }
                process = ours(trace, pid, status);
                signal = signal_of(status);
                if (process)
                        stopped(trace, process, status);
                /* The first stop of a process is our doing, too. */
                if (signal == SIGSTOP && !is_known)
                        signal = 0;
                (void)ptrace(process ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, (long)signal);
        }
        return result;
}

static pid_t start(char *argv[]) {
        pid_t pid = fork();
        int status;

        check(pid >= 0, "fork");
        if (pid == 0) {
                check(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 && raise(SIGSTOP) == 0,
                      "PTRACE_TRACEME");
                (void)execvp(argv[0], argv);
                check(false, argv[0]);
        }
        check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "waitpid");
        check(ptrace(PTRACE_SETOPTIONS, pid, 0,
                     PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                             PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) == 0,
              "PTRACE_SETOPTIONS");
        check(ptrace(PTRACE_CONT, pid, 0, 0) == 0, "PTRACE_CONT");
        return pid;
}

int main(int argc, char *argv[]) {
        Trace trace = { .action = "" };
        char *end;
        int status;

        errno = EINVAL;
        check(argc > 5, "usage: fault-at LIST ROOT ORDER NAME PROGRAM [ARGUMENT...]");
        trace.root = argv[2];
        trace.name = argv[4];
        trace.list = fopen(argv[1], "we");
        check(trace.list, argv[1]);
        if (strcmp(argv[3], "-") != 0) {
                trace.process = (unsigned)strtoul(argv[3], &end, 10);
                check(*end == ':' && trace.process < PROCESSES_MAX, argv[3]);
                trace.number = (unsigned)strtoul(end + 1, &end, 10);
                if (*end == ':') {
                        trace.call = end + 1;
                        end += strcspn(end, " ");
                }
                check(*end == ' ' && trace.number > 0, argv[3]);
                *end = '\0';
                trace.action = end + 1;
        }
        status = run(&trace, start(argv + 5));
        check(fclose(trace.list) == 0, argv[1]);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
