/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of log at a time, to stderr, by one write(2), so that lines of several processes do not
 * mix. The only module with state of its own: who speaks, to whom, and how much.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const char *log_program = "vfio-mode";
static bool log_to_journal;
static int log_max_level = LOG_INFO;

/* $JOURNAL_STREAM is inherited also by who has stderr elsewhere: a hook of a service, whose output
 * is shown to a person (systemd.exec(5)). */
static bool is_journal(int fd) {
        const char *stream = getenv("JOURNAL_STREAM");
        struct stat status;
        char text[64];

        if (!stream || fstat(fd, &status) < 0)
                return false;
        (void)snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev,
                       (uintmax_t)status.st_ino);
        return strcmp(text, stream) == 0;
}

void log_open(const char *program) {
        log_program = program;
        log_to_journal = is_journal(STDERR_FILENO);
}

bool log_is_to_journal(void) {
        return log_to_journal;
}

void log_set_max_level(int level) {
        log_max_level = level;
}

static size_t prefix(char *buffer, size_t size, int level) {
        int length = log_to_journal ? snprintf(buffer, size, "<%d>", level)
                                    : snprintf(buffer, size, "%.64s: ", log_program);

        return (size_t)length;
}

/* The message may quote what a file or a device says, and a line break in it would be a line of its
 * own. */
static void blank_control_bytes(char *text) {
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        *text = ' ';
}

/*
 * Nobody is left to be told of a log that cannot be written. journald is not waited for: with a
 * device that is stuck it may be as well, and what is said of that must not wait in turn.
 */
static void write_line(const char *line, size_t length) {
        if (log_to_journal &&
            (send(STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
             errno != ENOTSOCK))
                return;
        if (write(STDERR_FILENO, line, length) < 0)
                return;
}

_printf_(2, 0) static void print_line(int level, const char *format, va_list arguments) {
        char line[1024];
        size_t length;

        if (level > log_max_level)
                return;

        length = prefix(line, sizeof(line), level);
        (void)vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
        blank_control_bytes(line + length);
        length += strlen(line + length);
        line[length++] = '\n';

        write_line(line, length);
}

void log_line(int level, const char *format, ...) {
        int saved_errno = errno;
        va_list arguments;

        va_start(arguments, format);
        print_line(level, format, arguments);
        va_end(arguments);
        errno = saved_errno;
}

int log_line_errno(int level, int error, const char *format, ...) {
        int saved_errno = errno;
        va_list arguments;

        errno = abs(error);
        va_start(arguments, format);
        print_line(level, format, arguments);
        va_end(arguments);
        errno = saved_errno;
        return -abs(error);
}

/* --- entries with fields --- */

static void print_field(FILE *file, const char *name, const char *value) {
        if (!value || value[0] == '\0')
                return;
        (void)fprintf(file, "%s=", name);
        for (; *value; value++)
                (void)fputc((unsigned char)*value < ' ' || *value == 0x7f ? ' ' : *value, file);
        (void)fputc('\n', file);
}

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL: lines in a datagram. */
static bool send_to_journal(const char *entry, size_t size) {
        const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        return fd >= 0 && sendto(fd, entry, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                                 (const struct sockaddr *)&address, sizeof(address)) >= 0;
}

void log_entry(int level, const char *id, const char *text, const LogField *fields, size_t n) {
        _cleanup_free_ char *entry = NULL;
        char priority[4];
        size_t size = 0;
        FILE *file;

        if (level > log_max_level)
                return;
        file = log_to_journal ? open_memstream(&entry, &size) : NULL;
        if (file) {
                (void)snprintf(priority, sizeof(priority), "%d", level);
                print_field(file, "MESSAGE", text);
                print_field(file, "MESSAGE_ID", id);
                print_field(file, "PRIORITY", priority);
                print_field(file, "SYSLOG_IDENTIFIER", log_program);
                for (size_t i = 0; i < n; i++)
                        print_field(file, fields[i].name, fields[i].value);
                if (fclose(file) == 0 && send_to_journal(entry, size))
                        return;
        }
        log_line(level, "%s", text);
}
