/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/log: what a line looks like, and to whom. */
#undef NDEBUG

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"
#include "table.h"

/* Standard error goes to a pipe between capture() and captured(). */
static int saved_stderr;
static int pipe_fd;

static void capture(void) {
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        saved_stderr = dup(STDERR_FILENO);
        assert_true(saved_stderr >= 0);
        assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        close(fds[1]);
        pipe_fd = fds[0];
}

static const char *captured(char *buffer, size_t size) {
        ssize_t length;

        dup2(saved_stderr, STDERR_FILENO);
        close(saved_stderr);
        length = read(pipe_fd, buffer, size - 1);
        close(pipe_fd);
        assert_true(length >= 0);
        buffer[length] = '\0';
        return buffer;
}

#define assert_logged(statement, expected)                                       \
        do {                                                                     \
                char text_[4096];                                                \
                capture();                                                       \
                statement;                                                       \
                assert_string_equal(captured(text_, sizeof(text_)), (expected)); \
        } while (0)

/* As systemd names to a service the socket that its stderr is. */
static void name_stderr(void) {
        struct stat status;
        char text[64];

        assert_int_equal(fstat(STDERR_FILENO, &status), 0);
        (void)snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev,
                       (uintmax_t)status.st_ino);
        setenv("JOURNAL_STREAM", text, 1);
}

static void test_terminal(void **state) {
        (void)state;
        unsetenv("JOURNAL_STREAM");
        log_open("vfio-modectl");
        assert_logged(log_error("no mode '%s'", "x"), "vfio-modectl: no mode 'x'\n");
        assert_logged(log_info("%d", 1), "vfio-modectl: 1\n");
}

/* A service's child whose stderr somebody else reads. */
static void test_elsewhere(void **state) {
        (void)state;
        setenv("JOURNAL_STREAM", "8:1234", 1);
        log_open("vfio-modectl");
        unsetenv("JOURNAL_STREAM");
        assert_false(log_is_to_journal());
        assert_logged(log_error("no"), "vfio-modectl: no\n");
}

static void test_journal(void **state) {
        (void)state;
        name_stderr();
        log_open("vfio-mode-apply");
        unsetenv("JOURNAL_STREAM");
        assert_true(log_is_to_journal());
        assert_logged(log_error("no"), "<3>no\n");
        assert_logged(log_warning("hm"), "<4>hm\n");
        assert_logged(log_notice("oh"), "<5>oh\n");
        assert_logged(log_info("so"), "<6>so\n");
        log_open("test");
}

static void test_level(void **state) {
        (void)state;
        log_open("test");
        assert_logged(log_debug("detail"), "");
        log_set_max_level(LOG_DEBUG);
        assert_logged(log_debug("detail"), "test: detail\n");
        log_set_max_level(LOG_ERR);
        assert_logged(log_warning("hm"), "");
        assert_logged(log_error("no"), "test: no\n");
        log_set_max_level(LOG_INFO);
}

static void test_errno(void **state) {
        (void)state;
        log_open("test");
        errno = EBUSY;
        assert_logged(log_error("%m"), "test: Device or resource busy\n");
        errno = EBUSY;
        assert_logged(assert_int_equal(log_error_errno(-ENOENT, "x: %m"), -ENOENT),
                      "test: x: No such file or directory\n");
        errno = EBUSY;
        assert_logged(assert_int_equal(log_warning_errno(ENOENT, "x: %m"), -ENOENT),
                      "test: x: No such file or directory\n");
}

static void test_errno_is_kept(void **state) {
        int after_line, after_errno;

        (void)state;
        capture();
        errno = EBUSY;
        log_error("one");
        after_line = errno;
        errno = EBUSY;
        (void)log_error_errno(-ENOENT, "two: %m");
        after_errno = errno;
        (void)captured((char[256]){ 0 }, 256);
        assert_int_equal(after_line, EBUSY);
        assert_int_equal(after_errno, EBUSY);
}

static void test_one_line(void **state) {
        (void)state;
        log_open("test");
        assert_logged(log_error("a\nb\r\033[31mc\177d\te"), "test: a b  [31mc d e\n");
        assert_logged(log_error("caf\xc3\xa9"), "test: caf\xc3\xa9\n");
}

static void test_long_line(void **state) {
        char message[3000], text[4096];
        size_t length;

        (void)state;
        memset(message, 'x', sizeof(message) - 1);
        message[sizeof(message) - 1] = '\0';
        log_open("test");
        capture();
        log_error("%s", message);
        captured(text, sizeof(text));
        length = strlen(text);
        assert_int_equal(length, 1023);
        assert_int_equal(text[length - 2], 'x');
        assert_int_equal(text[length - 1], '\n');
}

static void test_closed_stderr(void **state) {
        (void)state;
        capture();
        close(STDERR_FILENO);
        log_error("nobody hears this");
        assert_int_equal(dup2(saved_stderr, STDERR_FILENO), STDERR_FILENO);
        close(saved_stderr);
        close(pipe_fd);
}

/* With nobody who reads, a line is lost and not waited for. */
static void test_stuck_journal(void **state) {
        int pair[2], saved, lines = 0;
        char text[4096];
        ssize_t n;

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        saved = dup(STDERR_FILENO);
        assert_true(saved >= 0);
        assert_int_equal(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
        name_stderr();
        log_open("test");
        for (unsigned i = 0; i < 100000; i++)
                log_error("a line");
        unsetenv("JOURNAL_STREAM");
        log_open("test");
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        close(saved);
        close(pair[1]);
        while ((n = read(pair[0], text, sizeof(text))) > 0)
                for (ssize_t i = 0; i < n; i++)
                        lines += text[i] == '\n';
        close(pair[0]);
        assert_in_range(lines, 1, 99999);
}

/* Not sent to this machine's own journal: with fields it is seen in the emulated PC. */
static void test_entry(void **state) {
        const LogField fields[] = { { "MODE", "host" } };

        (void)state;
        unsetenv("JOURNAL_STREAM");
        log_open("test");
        assert_logged(log_entry(LOG_INFO, "3b67d5dc249c45d48fceaf5243da37d4", "It\nis %s.", fields,
                                ARRAY_SIZE(fields)),
                      "test: It is %s.\n");
        assert_logged(log_entry(LOG_DEBUG, "3b67d5dc249c45d48fceaf5243da37d4", "no", NULL, 0), "");
}

int main(void) {
        Table table = { 0 };

        table_add(&table, "a terminal sees the program's name", test_terminal, NULL);
        table_add(&table, "who is read by somebody else does as well", test_elsewhere, NULL);
        table_add(&table, "the journal gets a priority", test_journal, NULL);
        table_add(&table, "what is above the level is not printed", test_level, NULL);
        table_add(&table, "%m is the error that was given", test_errno, NULL);
        table_add(&table, "errno is left as it was", test_errno_is_kept, NULL);
        table_add(&table, "no message is more than one line", test_one_line, NULL);
        table_add(&table, "a long message is cut and still ends its line", test_long_line, NULL);
        table_add(&table, "a closed standard error does no harm", test_closed_stderr, NULL);
        table_add(&table, "a journal that does not read is not waited for", test_stuck_journal,
                  NULL);
        table_add(&table, "an entry is its text where there is no journal", test_entry, NULL);
        return table_run("log", &table);
}
