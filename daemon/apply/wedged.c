/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Neither reboot(2) nor systemd gets past a driver that is stuck: the kernel's device_shutdown()
 * takes the lock of every device. The emergency restart of sysrq asks no device.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "host/mount-info.h"
#include "host/process.h"
#include "host/state-files.h"
#include "host/units.h"
#include "wedged.h"

#define SYSRQ_PATH "proc/sysrq-trigger"
#define SYNC_MS (10 * 1000)
#define READ_ONLY_MS (5 * 1000)
#define LOOK_MS 50
#define HELP                                                                                 \
        "If it never does, only a forced reset helps, since a reboot waits for it as well: " \
        "echo b > /proc/sysrq-trigger"
#define HELP_POOL "nothing is switched but to the fallback mode. If it never does, a reboot helps."

static bool is_in_a_pool(const RunWriter *record) {
        return record->write.kind == RUN_WRITE_HUGEPAGES;
}

RefusalKind wedged_refuse(const Writer *writer, Refusal *ret) {
        const RunWriter *record = &writer->record;
        char text[RUN_WRITE_TEXT_SIZE];

        return refusal_set(ret, REFUSAL_WEDGED,
                           "Stuck in the kernel: %s (process %d) did not come back within %llu s. "
                           "%s",
                           run_write_say(&record->write, text), record->pid,
                           (unsigned long long)((writer->waited_usec + 999999) / 1000000),
                           is_in_a_pool(record)
                                   ? "No device waits for it, and until it does " HELP_POOL
                                   : "Nothing more is touched until it does. " HELP);
}

/* --- an earlier one --- */

static int pidfd_of(pid_t pid) {
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Whether it ended within that time; -1: it has all the time of the world. */
static bool has_ended(const Root *root, const RunWriter *record, int ms) {
        _cleanup_close_ int fd = pidfd_of(record->pid);
        struct pollfd wanted = { .fd = fd, .events = POLLIN };

        if (fd >= 0)
                (void)poll(&wanted, 1, ms);
        return !process_is_there(root, record->pid, record->start);
}

/* A pool's writer, which a signal ends unless it is stuck. Who it was is looked at again, since its
 * number may be another's by now. */
static void end_write(const Root *root, const RunWriter *record) {
        _cleanup_close_ int fd = pidfd_of(record->pid);

        if (fd >= 0 && process_is_there(root, record->pid, record->start))
                (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

/* For those who look at the log only. */
static void note_wedged(const Root *root, RunWriter *record) {
        _cleanup_close_ int fd = openat(root->fd, UNDO_PATH, O_WRONLY | O_APPEND | O_CLOEXEC);
        char line[RUN_WRITER_LINE_SIZE];
        int n;

        record->wedged = (uint64_t)time(NULL);
        n = run_writer_format_wedged(record, line, sizeof(line));
        if (fd < 0 || n < 0 || write(fd, line, (size_t)n) != n)
                log_warning("/" UNDO_PATH " cannot be written.");
}

RefusalKind wedged_check(const Root *root, RunWriter *record, bool wait, Refusal *ret) {
        const Writer writer = writer_new(root, 0);
        char text[RUN_WRITE_TEXT_SIZE];

        if (!process_is_there(root, record->pid, record->start))
                return REFUSAL_NONE;
        if (record->wedged == 0 && wait) {
                log_notice("Waiting for an earlier write to come back from the kernel: %s.",
                           run_write_say(&record->write, text));
                if (is_in_a_pool(record))
                        end_write(root, record);
                if (has_ended(root, record,
                              (int)(writer_deadline(&writer, record->write.kind) / 1000)))
                        return REFUSAL_NONE;
                note_wedged(root, record);
        }
        return refusal_set(ret, REFUSAL_WEDGED, "Still stuck in the kernel: %s (process %d). %s",
                           run_write_say(&record->write, text), record->pid,
                           is_in_a_pool(record)
                                   ? "Until that comes back " HELP_POOL
                                   : "Nothing is switched until that comes back. " HELP);
}

/* --- the late return --- */

void wedged_await_return(const Root *root) {
        if (root->is_live && units_queue_service(LATE_RETURN_UNIT) < 0)
                log_warning(LATE_RETURN_UNIT " cannot be started: if the kernel comes back, go to "
                                             "a mode.");
}

bool wedged_wait(const Root *root) {
        _cleanup_free_ RunState *undo = calloc(1, sizeof(*undo));
        RunWriter writer;

        if (!undo || undo_read(root, undo) < 0 || undo->writer.pid == 0)
                return false;
        writer = undo->writer;
        if (!has_ended(root, &writer, -1))
                return false;
        /* The next switch goes on from what is by itself, and begins with a log of its own. */
        return lock_is_held(root) <= 0 && undo_read(root, undo) >= 0 &&
               undo->writer.pid == writer.pid && undo->writer.start == writer.start;
}

/* --- the reset --- */

/* In a child, since a disk may hang with the rest. */
static void sync_disks(void) {
        _cleanup_close_ int fd = -1;
        struct pollfd wanted = { .events = POLLIN };
        pid_t pid = fork();

        if (pid == 0) {
                sync();
                _exit(0);
        }
        if (pid < 0)
                return;
        fd = wanted.fd = pidfd_of(pid);
        if (fd < 0 || poll(&wanted, 1, SYNC_MS) <= 0) {
                log_warning("The disks cannot be synced in time.");
                return;
        }
        (void)waitpid(pid, NULL, 0);
}

/* The word is in the options of the superblock, not of the mount, which our sandbox has changed. */
static bool root_is_read_only(const Root *root) {
        _cleanup_free_ char *table = NULL;
        MountInfo mount;

        return mount_info_read(root, &table) >= 0 && mount_info_find(table, "etc", &mount) &&
               mount_info_has_option(&mount, "ro");
}

/* Asked of the kernel, which does it by itself; how far it is can only be looked at. */
static void remount_read_only(const Root *root) {
        const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };

        if (file_write_at(root->fd, SYSRQ_PATH, "u") < 0)
                return;
        for (unsigned ms = 0; ms < READ_ONLY_MS && !root_is_read_only(root); ms += LOOK_MS)
                (void)nanosleep(&pause, NULL);
}

void wedged_reset(const Root *root) {
        int r;

        /* A tree has no machine that could be reset, whatever its /proc leads to. */
        if (!root->is_live)
                return;
        sync_disks();
        remount_read_only(root);
        r = file_write_at(root->fd, SYSRQ_PATH, "b");
        if (r < 0)
                log_error_errno(r, "/" SYSRQ_PATH
                                   " cannot be written, so somebody has to reset the machine: %m");
}
