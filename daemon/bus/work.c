/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue's first is the one that a child is at. A child that dies without a word is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "idle.h"
#include "work.h"

typedef struct Work Work;
struct Work {
        Request *request;
        const WorkOrder *order;
        pid_t pid;
        int fd; /* of the pipe; -1: not begun */
        sd_event_source *source;
        WorkAnswer answer;
        size_t n_read;
        Work *next;
};

static void start_first(Service *service);

static void drop_first(Service *service) {
        Work *work = service->work;

        service->work = work->next;
        (void)sd_event_source_disable_unref(work->source);
        closep(&work->fd);
        free(work);
}

static void end_first(Service *service) {
        Work *work = service->work;
        Request *request = work->request;
        const WorkOrder *order = work->order;
        WorkAnswer answer = work->answer;
        int status = 0;

        /* It has closed its end, which is the last thing that it does. */
        if (waitpid(work->pid, &status, 0) != work->pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0 || work->n_read != sizeof(answer))
                answer.kind = refusal_set(&answer.refusal, REFUSAL_FAILED,
                                          "The process that was to do it ended without a word.");
        drop_first(service);
        order->done(request, &answer);
        start_first(service);
        idle_touch(service);
}

static int on_readable(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                       void *userdata) {
        Service *service = userdata;
        Work *work = service->work;
        ssize_t n;

        n = read(fd, (char *)&work->answer + work->n_read, sizeof(work->answer) - work->n_read);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (n > 0) {
                work->n_read += (size_t)n;
                if (work->n_read < sizeof(work->answer))
                        return 0;
        }
        end_first(service);
        return 0;
}

__attribute__((noreturn)) static void be_the_child(const Service *service, const Work *work, int fd,
                                                   int bus_fd) {
        static const size_t size = sizeof(WorkAnswer);
        WorkAnswer answer = { 0 };
        sigset_t none;

        /* Were the service killed, its connection would live on in here, and its callers wait. */
        closep(&bus_fd);
        /* A signal for the service is none for what it began. */
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        work->order->run(&service->root, &work->request->arguments, &answer);
        /* By _exit: what the service has open, and its sanitizers, are not this process' concern.
         */
        _exit(write(fd, &answer, size) == (ssize_t)size ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int start(Service *service, Work *work) {
        _cleanup_close_ int write_end = -1;
        int r, bus_fd, fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        work->fd = fds[0];
        write_end = fds[1];
        r = sd_event_add_io(service->event, &work->source, work->fd, EPOLLIN, on_readable, service);
        if (r < 0)
                return r;
        bus_fd = sd_bus_get_fd(service->bus); /* it does not answer after fork(2) */
        work->pid = fork();
        if (work->pid < 0)
                return -errno;
        if (work->pid == 0)
                be_the_child(service, work, write_end, bus_fd);
        return 0;
}

static void start_first(Service *service) {
        while (service->work && !service->is_work_held) {
                Request *request = service->work->request;
                int r = start(service, service->work);

                if (r >= 0)
                        return;
                (void)log_error_errno(r, "No process can be started: %m");
                drop_first(service);
                request_refuse(request, REFUSAL_FAILED, "No process can be started for that.");
        }
}

void work_begin(Request *request, const WorkOrder *order) {
        Work *work = calloc(1, sizeof(*work)), **last = &request->service->work;

        if (!work) {
                request_refuse(request, REFUSAL_FAILED, "Out of memory.");
                return;
        }
        *work = (Work){ .request = request, .order = order, .fd = -1 };
        while (*last)
                last = &(*last)->next;
        *last = work;
        if (request->service->work == work)
                start_first(request->service);
}

void work_hold(Service *service) {
        service->is_work_held = true;
}

void work_go_on(Service *service) {
        service->is_work_held = false;
        if (service->work && service->work->fd < 0)
                start_first(service);
}

void work_free(Service *service) {
        while (service->work)
                drop_first(service);
}
