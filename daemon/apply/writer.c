/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The child holds nothing of ours but the root directory and its end of the socket: the lock is a
 * POSIX one and stays with us, and a journal, a bus or a log that it had open would stay open as
 * long as it is stuck.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/time-span.h"
#include "host/process.h"
#include "processes.h"
#include "writer.h"

#define NAME "vfio-mode-write" /* 15 bytes, for /proc/PID/comm */
#define FIRST_FD 3
#define DEADLINE_MAX 3600
#define LEAST_USEC 50000 /* what takes no longer is not worth being called stuck */
#define END_USEC 250000  /* for a signal to be seen, also where a boot has no time left */

typedef enum Task {
        TASK_WRITE,
        TASK_READ,
        TASK_LOAD,
        TASK_LOAD_FOR,
        TASK_LOAD_ANY_FOR,
        TASK_UNLOAD,
        TASK_WRITE_AT_END,
        TASK_FORGET_END,
} Task;

typedef struct Request {
        Task task;
        char path[192];
        char text[192];
        size_t size, offset; /* TASK_READ */
} Request;

/* What is read comes behind the result. */
typedef struct Answer {
        int result;
        uint8_t data[WRITER_READ_MAX];
} Answer;

#define RESULT_SIZE offsetof(Answer, data)

/* --- the child --- */

static int read_some(const Root *root, const Request *request, Answer *answer) {
        _cleanup_close_ int fd = openat(root->fd, request->path, O_RDONLY | O_CLOEXEC);
        ssize_t n = -1;

        if (fd >= 0)
                n = pread(fd, answer->data, request->size, (off_t)request->offset);
        return n < 0 ? -errno : (int)n;
}

/* What is to be written when nobody asks for anything more. */
typedef struct End {
        Request writes[WRITER_END_MAX];
        size_t n;
} End;

static int keep_for_end(End *end, const Request *request) {
        if (end->n == WRITER_END_MAX)
                return -ENOSPC;
        end->writes[end->n++] = *request;
        return 0;
}

static int carry_out(const Root *root, const Request *request, End *end, Answer *answer) {
        switch (request->task) {
        case TASK_WRITE:
                return file_write_at(root->fd, request->path, request->text);
        case TASK_READ:
                return read_some(root, request, answer);
        case TASK_LOAD:
                return module_load(root, request->text);
        case TASK_LOAD_FOR:
                return module_load_for(root, request->text, MODULE_ALLOWED);
        case TASK_LOAD_ANY_FOR:
                return module_load_for(root, request->text, MODULE_ANY);
        case TASK_UNLOAD:
                return module_unload(root, request->text);
        case TASK_WRITE_AT_END:
                return keep_for_end(end, request);
        case TASK_FORGET_END:
                end->n = 0;
                return 0;
        }
        return -EINVAL;
}

static bool close_between(int first, int last) {
        return first > last || close_range((unsigned)first, (unsigned)last, 0) >= 0;
}

/* Nothing that is printed (by libkmod, by a command of modprobe.d) goes anywhere. */
static bool let_go(int root_fd, int fd) {
        int low = root_fd < fd ? root_fd : fd, high = root_fd < fd ? fd : root_fd;
        int null;

        if (!close_between(FIRST_FD, low - 1) || !close_between(low + 1, high - 1) ||
            close_range((unsigned)high + 1, ~0U, 0) < 0)
                return false;
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0)
                return false;
        for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++)
                if (dup2(null, standard) < 0)
                        return false;
        return close(null) >= 0;
}

__attribute__((noreturn)) static void serve(const Root *root, int fd) {
        Request request;
        End end = { .n = 0 };
        Answer answer;
        size_t size;

        (void)prctl(PR_SET_NAME, NAME);
        (void)unsetenv("NOTIFY_SOCKET");
        if (!let_go(root->fd, fd))
                _exit(1);
        while (recv(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
                answer.result = carry_out(root, &request, &end, &answer);
                size = RESULT_SIZE;
                if (request.task == TASK_READ && answer.result > 0)
                        size += (size_t)answer.result;
                if (send(fd, &answer, size, MSG_NOSIGNAL) != (ssize_t)size)
                        break; /* nobody waits any more */
        }
        for (size_t i = 0; i < end.n; i++)
                if (file_write_at(root->fd, end.writes[i].path, end.writes[i].text) < 0)
                        continue; /* there is nobody to be told */
        _exit(0);
}

/* --- the parent --- */

Writer writer_new(const Root *root, uint64_t early_since) {
        const char *given = getenv(WRITER_DEADLINE_VARIABLE);
        Writer writer = { .root = root,
                          .deadline_usec = early_since > 0 ? WRITER_EARLY_USEC : 0,
                          .early_end = early_since > 0 ? early_since + WRITER_EARLY_ALL_USEC : 0,
                          .fd = -1 };
        uint64_t seconds;

        if (given && time_span_parse(given, DEADLINE_MAX, &seconds) >= 0 && seconds > 0) {
                writer.deadline_usec = seconds * 1000000;
                writer.early_end = 0;
        }
        return writer;
}

uint64_t writer_deadline(const Writer *writer, RunWriteKind kind) {
        if (writer->deadline_usec > 0)
                return writer->deadline_usec;
        switch (kind) {
        case RUN_WRITE_BIND:
        case RUN_WRITE_PROBE:
        case RUN_WRITE_LOAD:
        case RUN_WRITE_POWER:
        case RUN_WRITE_D3COLD:
        case RUN_WRITE_ENABLE:
        case RUN_WRITE_RETURN:
                return WRITER_PROBE_USEC;
        case RUN_WRITE_UNBIND:
        case RUN_WRITE_UNLOAD: /* calls the driver's remove() */
        case RUN_WRITE_RELEASE:
                return WRITER_UNBIND_USEC;
        default:
                return WRITER_OTHER_USEC;
        }
}

static int make_child(Writer *writer) {
        _cleanup_close_ int ours = -1, theirs = -1;
        int fds[2], r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        if (writer->root->fd < FIRST_FD || theirs < FIRST_FD)
                return -EBADF;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                serve(writer->root, theirs);
        writer->fd = TAKE_FD(ours);
        writer->record = (RunWriter){ .pid = (int)pid };
        /* Not of a test's tree, where it is not listed. */
        r = process_start(writer->root, (int)pid, &writer->record.start);
        return r == -ESRCH ? 0 : r;
}

static void note(const Writer *writer, const char *line, int length) {
        /* Without its line it is written all the same. */
        if (writer->log && length > 0 && undo_log_append(writer->log, line, (size_t)length) < 0)
                return;
}

static void note_child(const Writer *writer) {
        char line[RUN_WRITER_LINE_SIZE];

        note(writer, line, run_writer_format(&writer->record, line, sizeof(line)));
}

static void note_write(const Writer *writer) {
        char line[RUN_WRITER_LINE_SIZE];

        note(writer, line, run_writer_format_write(&writer->record.write, line, sizeof(line)));
}

static void reap(Writer *writer) {
        int status;

        closep(&writer->fd);
        writer->fd = -1;
        (void)waitpid(writer->record.pid, &status, 0);
}

/* For this write and all that follow. */
static uint64_t time_left(const Writer *writer) {
        const uint64_t now = now_usec();

        if (writer->early_end == 0)
                return UINT64_MAX;
        return now < writer->early_end ? writer->early_end - now : 0;
}

void writer_begin_return(Writer *writer) {
        if (writer->early_end > 0 && time_left(writer) < WRITER_EARLY_UNDO_USEC)
                writer->early_end = now_usec() + WRITER_EARLY_UNDO_USEC;
}

/* Returns whether there is an answer, or an end; false where the time is over. */
static bool await(int fd, uint64_t usec) {
        const uint64_t end = now_usec() + usec;
        struct pollfd wanted = { .fd = fd, .events = POLLIN };
        int r;

        do {
                const uint64_t now = now_usec(), left = now < end ? end - now : 0;
                const struct timespec timeout = { .tv_sec = (time_t)(left / 1000000),
                                                  .tv_nsec = (long)(left % 1000000) * 1000 };

                r = ppoll(&wanted, 1, &timeout, NULL);
                /* Whatever is wrong: who would wait for the child now might wait without end. */
        } while (r < 0 && now_usec() < end);
        return r > 0;
}

static int give_up(Writer *writer) {
        char line[RUN_WRITER_LINE_SIZE];

        writer->is_stuck = true;
        if (writer->is_awaited)
                return -ETIMEDOUT;
        writer->record.wedged = (uint64_t)time(NULL);
        note(writer, line, run_writer_format_wedged(&writer->record, line, sizeof(line)));
        return -ETIMEDOUT;
}

/* Only a fatal signal ends the kernel's search for a page of 1 GiB as well (mm/page_alloc.c, 6.1,
 * 6.12). Returns as await(): whether it is out of the kernel. */
static bool end_write(Writer *writer) {
        const uint64_t left = time_left(writer);
        uint64_t usec = writer_deadline(writer, RUN_WRITE_HUGEPAGES);

        if (left < usec)
                usec = left > END_USEC ? left : END_USEC;
        writer->waited_usec += usec;
        return kill(writer->record.pid, SIGKILL) >= 0 && await(writer->fd, usec);
}

static int ask_for(Writer *writer, const RunWrite *what, const Request *request, uint64_t usec,
                   Answer *answer) {
        const uint64_t left = time_left(writer);
        int r, end = -EIO;

        if (writer->is_stuck)
                return -ETIMEDOUT;
        if (left < LEAST_USEC)
                return -ETIME;
        if (writer->fd < 0) {
                r = make_child(writer);
                if (r < 0)
                        return r;
                note_child(writer);
        }
        writer->waited_usec = left < usec ? left : usec;
        /* A pool is filled by thousands of writes, which would make the log too long to be read. */
        if (!run_write_equal(&writer->record.write, what)) {
                writer->record.write = *what;
                note_write(writer);
        }
        if (send(writer->fd, request, sizeof(*request), MSG_NOSIGNAL) ==
            (ssize_t)sizeof(*request)) {
                if (!await(writer->fd, writer->waited_usec)) {
                        if (what->kind != RUN_WRITE_HUGEPAGES || !end_write(writer))
                                return give_up(writer);
                        end = -ECANCELED;
                } else if (recv(writer->fd, answer, sizeof(*answer), 0) >= (ssize_t)RESULT_SIZE)
                        return answer->result;
        }
        /* Somebody killed it. The next write has another one. */
        reap(writer);
        return end;
}

static int ask(Writer *writer, const RunWrite *what, const Request *request, uint64_t usec) {
        Answer answer;

        return ask_for(writer, what, request, usec, &answer);
}

static int ask_with(Writer *writer, const RunWrite *what, Task task, const char *path,
                    const char *text, uint64_t usec) {
        Request request = { .task = task };

        if (snprintf(request.path, sizeof(request.path), "%s", path) >= (int)sizeof(request.path) ||
            snprintf(request.text, sizeof(request.text), "%s", text) >= (int)sizeof(request.text))
                return -ENAMETOOLONG;
        return ask(writer, what, &request, usec);
}

int writer_write(Writer *writer, const RunWrite *what, const char *path, const char *text) {
        return ask_with(writer, what, TASK_WRITE, path, text, writer_deadline(writer, what->kind));
}

ssize_t writer_read(Writer *writer, const RunWrite *what, const char *path, void *buffer,
                    size_t size, size_t offset) {
        Request request = { .task = TASK_READ,
                            .size = size < WRITER_READ_MAX ? size : WRITER_READ_MAX,
                            .offset = offset };
        Answer answer;
        int r;

        if (snprintf(request.path, sizeof(request.path), "%s", path) >= (int)sizeof(request.path))
                return -ENAMETOOLONG;
        r = ask_for(writer, what, &request, writer_deadline(writer, what->kind), &answer);
        if (r > 0)
                (void)memcpy(buffer, answer.data, (size_t)r);
        return r;
}

/* Nothing is written by it that could get stuck: the log has what is written already. */
static int ask_about_end(Writer *writer, Task task, const char *path, const char *text) {
        const RunWrite what = writer->record.write;

        return ask_with(writer, &what, task, path, text, WRITER_OTHER_USEC);
}

int writer_write_at_end(Writer *writer, const char *path, const char *text) {
        return ask_about_end(writer, TASK_WRITE_AT_END, path, text);
}

void writer_forget_end(Writer *writer) {
        if (writer->fd >= 0 && !writer->is_stuck &&
            ask_about_end(writer, TASK_FORGET_END, "", "") < 0)
                return; /* it is gone, and has done it */
}

int writer_write_pool(Writer *writer, const RunWrite *what, const char *path, const char *text,
                      uint64_t usec) {
        if (writer->deadline_usec > 0 && writer->deadline_usec < usec)
                usec = writer->deadline_usec;
        return ask_with(writer, what, TASK_WRITE, path, text, usec);
}

int writer_load(Writer *writer, const RunWrite *what) {
        return ask_with(writer, what, TASK_LOAD, "", what->driver,
                        writer_deadline(writer, what->kind));
}

int writer_unload(Writer *writer, const RunWrite *what) {
        return ask_with(writer, what, TASK_UNLOAD, "", what->driver,
                        writer_deadline(writer, what->kind));
}

int writer_load_for(Writer *writer, const RunWrite *what, const char *modalias,
                    ModuleChoice choice) {
        return ask_with(writer, what, choice == MODULE_ANY ? TASK_LOAD_ANY_FOR : TASK_LOAD_FOR, "",
                        modalias, writer_deadline(writer, what->kind));
}

void writer_leave(Writer *writer) {
        closep(&writer->fd);
        writer->fd = -1;
        writer->is_stuck = false;
}

void writer_close(Writer *writer) {
        if (writer->fd < 0)
                return;
        if (!writer->is_stuck) {
                reap(writer);
                return;
        }
        closep(&writer->fd);
        writer->fd = -1;
}
