/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/file and base/cleanup: small files in a directory of the test's own. */
#undef NDEBUG

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "table.h"

static char directory[] = "/tmp/test-file-XXXXXX";
static int dir_fd;

/* A request for more memory than there is shall fail here, not end the program. */
const char *__asan_default_options(void) {
        return "allocator_may_return_null=1";
}

static void make(const char *name, const char *text, size_t length) {
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, length), length);
        close(fd);
}

static void assert_file(const char *name, const char *expected) {
        char text[64];

        assert_int_equal(file_read_at(dir_fd, name, text, sizeof(text)), strlen(expected));
        assert_string_equal(text, expected);
}

/* How many names there are, so that no temporary file stays behind unseen. */
static unsigned count_names(void) {
        _cleanup_closedir_ DIR *dir = opendir(directory);
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        return n - 2;
}

static int empty_directory(void **state) {
        _cleanup_closedir_ DIR *dir = opendir(directory);
        struct dirent *entry;

        (void)state;
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.' && unlinkat(dir_fd, entry->d_name, 0) < 0)
                        assert_int_equal(unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR), 0);
        return 0;
}

static void test_read(void **state) {
        char buffer[8];

        (void)state;
        make("f", "abc\n", 4);
        assert_int_equal(file_read_at(dir_fd, "f", buffer, sizeof(buffer)), 4);
        assert_string_equal(buffer, "abc\n");
        make("f", "", 0);
        assert_int_equal(file_read_at(dir_fd, "f", buffer, sizeof(buffer)), 0);
        assert_string_equal(buffer, "");
        make("f", "1234567", 7);
        assert_int_equal(file_read_at(dir_fd, "f", buffer, sizeof(buffer)), 7);
        assert_string_equal(buffer, "1234567");
        make("f", "12345678", 8);
        assert_int_equal(file_read_at(dir_fd, "f", buffer, sizeof(buffer)), -EFBIG);
        assert_int_equal(file_read_at(dir_fd, "f", buffer, 0), -EFBIG);
        assert_int_equal(file_read_at(dir_fd, "none", buffer, sizeof(buffer)), -ENOENT);
        assert_int_equal(file_read_at(dir_fd, ".", buffer, sizeof(buffer)), -EISDIR);
}

static void test_read_line(void **state) {
        char buffer[8];

        (void)state;
        make("f", "abc\n", 4);
        assert_int_equal(file_read_line_at(dir_fd, "f", buffer, sizeof(buffer)), 3);
        assert_string_equal(buffer, "abc");
        make("f", "abc", 3);
        assert_int_equal(file_read_line_at(dir_fd, "f", buffer, sizeof(buffer)), 3);
        assert_string_equal(buffer, "abc");
        make("f", "a\nb\n", 4);
        assert_int_equal(file_read_line_at(dir_fd, "f", buffer, sizeof(buffer)), 1);
        assert_string_equal(buffer, "a");
        make("f", "a\0b\n", 4);
        assert_int_equal(file_read_line_at(dir_fd, "f", buffer, sizeof(buffer)), 1);
        make("f", "12345678", 8);
        assert_int_equal(file_read_line_at(dir_fd, "f", buffer, sizeof(buffer)), -EFBIG);
        assert_int_equal(file_read_line_at(dir_fd, "none", buffer, sizeof(buffer)), -ENOENT);
        assert_int_equal(file_read_line_at(dir_fd, ".", buffer, sizeof(buffer)), -EISDIR);
}

static void test_read_alloc(void **state) {
        _cleanup_free_ char *text = NULL;
        char *const untouched = (char *)state;
        char *other = untouched;

        make("f", "a\0b", 3);
        assert_int_equal(file_read_alloc_at(dir_fd, "f", 3, &text), 3);
        assert_memory_equal(text, "a\0b", 4);
        assert_int_equal(file_read_alloc_at(dir_fd, "f", 2, &other), -EFBIG);
        assert_int_equal(file_read_alloc_at(dir_fd, "none", 2, &other), -ENOENT);
        assert_int_equal(file_read_alloc_at(dir_fd, ".", 2, &other), -EISDIR);
        assert_int_equal(file_read_alloc_at(dir_fd, "f", SSIZE_MAX - 1, &other), -ENOMEM);
        assert_ptr_equal(other, untouched);
}

static void test_read_plain(void **state) {
        _cleanup_free_ char *text = NULL;
        char *const untouched = (char *)state;
        char *other = untouched;
        mode_t mode = 0;

        make("f", "a\0b", 3);
        assert_int_equal(fchmodat(dir_fd, "f", 0640, 0), 0);
        assert_int_equal(symlinkat("f", dir_fd, "link"), 0);
        assert_int_equal(mkfifoat(dir_fd, "pipe", 0600), 0);
        assert_int_equal(file_read_plain_at(dir_fd, "link", 3, &text, &mode), 3);
        assert_memory_equal(text, "a\0b", 4);
        assert_int_equal(mode, S_IFREG | 0640);
        mode = 0;
        assert_int_equal(file_read_plain_at(dir_fd, "f", 2, &other, &mode), -EFBIG);
        assert_int_equal(file_read_plain_at(dir_fd, "none", 2, &other, &mode), -ENOENT);
        assert_int_equal(file_read_plain_at(dir_fd, "pipe", 2, &other, &mode), -EISNAM);
        assert_int_equal(file_read_plain_at(dir_fd, ".", 2, &other, &mode), -EISNAM);
        assert_int_equal(file_read_plain_at(dir_fd, "/dev/null", 2, &other, &mode), -EISNAM);
        assert_ptr_equal(other, untouched);
        assert_int_equal(mode, 0);
        assert_int_equal(unlinkat(dir_fd, "pipe", 0), 0);
        assert_int_equal(unlinkat(dir_fd, "link", 0), 0);
}

static void test_write(void **state) {
        (void)state;
        make("f", "something long", 14);
        assert_int_equal(file_write_at(dir_fd, "f", "vfio-pci"), 0);
        assert_file("f", "vfio-pci");
        assert_int_equal(file_write_at(dir_fd, "none", "x"), -ENOENT);
        assert_int_equal(file_write_at(dir_fd, ".", "x"), -EISDIR);
        assert_int_equal(file_write_at(dir_fd, "/dev/full", "x"), -ENOSPC);
        assert_int_equal(count_names(), 1);
}

/* No file of this process may grow beyond so many bytes. */
static void limit_files(rlim_t size) {
        struct rlimit limit = { .rlim_cur = size, .rlim_max = RLIM_INFINITY };

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_short_write(void **state) {
        int written, replaced;

        (void)state;
        make("f", "", 0);
        make("g", "old", 3);
        limit_files(4);
        written = file_write_at(dir_fd, "f", "12345");
        replaced = file_replace_at(dir_fd, "g", "12345", 5);
        limit_files(RLIM_INFINITY);
        assert_int_equal(written, -EIO);
        assert_int_equal(replaced, -EFBIG);
        assert_file("g", "old");
        assert_int_equal(count_names(), 2);
}

static void test_replace(void **state) {
        struct stat status;

        (void)state;
        umask(022);
        assert_int_equal(file_replace_at(dir_fd, "f", "new", 3), 0);
        assert_file("f", "new");
        assert_int_equal(fstatat(dir_fd, "f", &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0644);
        assert_int_equal(file_replace_at(dir_fd, "f", "a\0b", 3), 0);
        assert_int_equal(fstatat(dir_fd, "f", &status, 0), 0);
        assert_int_equal(status.st_size, 3);
        assert_int_equal(file_replace_at(dir_fd, "f", "", 0), 0);
        assert_file("f", "");
        assert_int_equal(count_names(), 1);
}

static void test_replace_fails(void **state) {
        char name[PATH_MAX];

        (void)state;
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        assert_int_equal(file_replace_at(dir_fd, name, "x", 1), -ENAMETOOLONG);
        assert_int_equal(file_replace_at(dir_fd, "none/f", "x", 1), -ENOENT);
        assert_int_equal(mkdirat(dir_fd, "d", 0700), 0);
        assert_int_equal(file_replace_at(dir_fd, "d", "x", 1), -EISDIR);
        assert_int_equal(count_names(), 1);
}

static void test_link_name(void **state) {
        char buffer[16] = "untouched";

        (void)state;
        assert_int_equal(symlinkat("../../bus/pci/drivers/vfio-pci", dir_fd, "driver"), 0);
        assert_int_equal(symlinkat("plain", dir_fd, "plain"), 0);
        make("f", "", 0);
        assert_int_equal(file_read_link_name_at(dir_fd, "none", buffer, sizeof(buffer)), -ENOENT);
        assert_int_equal(file_read_link_name_at(dir_fd, "f", buffer, sizeof(buffer)), -EINVAL);
        assert_int_equal(file_read_link_name_at(dir_fd, "driver", buffer, 8), -ENAMETOOLONG);
        assert_string_equal(buffer, "untouched");
        assert_int_equal(file_read_link_name_at(dir_fd, "driver", buffer, 9), 8);
        assert_string_equal(buffer, "vfio-pci");
        assert_int_equal(file_read_link_name_at(dir_fd, "plain", buffer, sizeof(buffer)), 5);
        assert_string_equal(buffer, "plain");
}

static void test_link_parent(void **state) {
        char buffer[16] = "untouched";

        (void)state;
        assert_int_equal(symlinkat("../0000:00:02.0/0000:01:00.0", dir_fd, "device"), 0);
        assert_int_equal(symlinkat("plain", dir_fd, "plain"), 0);
        assert_int_equal(file_read_link_parent_at(dir_fd, "none", buffer, sizeof(buffer)), -ENOENT);
        assert_int_equal(file_read_link_parent_at(dir_fd, "plain", buffer, sizeof(buffer)),
                         -ENOENT);
        assert_int_equal(file_read_link_parent_at(dir_fd, "device", buffer, 12), -ENAMETOOLONG);
        assert_string_equal(buffer, "untouched");
        assert_int_equal(file_read_link_parent_at(dir_fd, "device", buffer, 13), 12);
        assert_string_equal(buffer, "0000:00:02.0");
}

/* A PID of a process that has ended. */
static pid_t pid_of_nobody(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        return pid;
}

/* What a killed process has left goes; what somebody may be writing, and what is no such file, do
 * not. */
static void test_sweep(void **state) {
        static const char *const others[] = {
                "status",    ".tmp",   "status.tmp", "1.tmp",    "s.x1.tmp",
                "s.1.tmp.x", "s..tmp", "s.0.tmp",    "s.-1.tmp", "s.99999999999999999999999.tmp"
        };
        char name[64];

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                make(others[i], "x", 1);
        (void)snprintf(name, sizeof(name), "status.%ld.tmp", (long)getpid());
        make(name, "x", 1);
        (void)snprintf(name, sizeof(name), "status.%ld.tmp", (long)pid_of_nobody());
        make(name, "x", 1);
        file_sweep_at(dir_fd, ".");
        assert_int_equal(faccessat(dir_fd, name, F_OK, 0), -1);
        assert_int_equal(count_names(), ARRAY_SIZE(others) + 1);
        file_sweep_at(dir_fd, "nowhere");
        file_sweep_at(dir_fd, "status");
}

static void test_cleanup(void **state) {
        int fds[2], fd, errno_left;
        char *p = strdup("x");
        char *taken = TAKE_PTR(p);

        (void)state;
        assert_null(p);
        assert_string_equal(taken, "x");
        free(taken);

        assert_int_equal(pipe(fds), 0);
        fd = fds[0];
        {
                _cleanup_close_ int mine = TAKE_FD(fds[0]);
                _cleanup_close_ int nobodys = -1;
                _cleanup_fclose_ FILE *file = fdopen(fds[1], "w");
                _cleanup_fclose_ FILE *no_file = NULL;
                _cleanup_closedir_ DIR *no_dir = NULL;

                assert_int_equal(mine, fd);
                assert_int_equal(nobodys, -1);
                assert_non_null(file);
                assert_null(no_file);
                assert_null(no_dir);
        }
        assert_int_equal(fds[0], -1);
        assert_int_equal(fcntl(fd, F_GETFD), -1);

        errno = EBUSY;
        closep(&fd);
        errno_left = errno;
        assert_int_equal(errno_left, EBUSY);
}

static void add(Table *table, const char *title, CMUnitTestFunction run) {
        table_add(table, title, run, NULL);
        table->tests[table->n_tests - 1].teardown_func = empty_directory;
}

int main(void) {
        Table table = { 0 };
        int failed;

        if (!mkdtemp(directory) || (dir_fd = open(directory, O_DIRECTORY | O_CLOEXEC)) < 0)
                return 1;
        add(&table, "reading a file that fits, with its NUL", test_read);
        add(&table, "reading one line", test_read_line);
        add(&table, "reading into new memory", test_read_alloc);
        add(&table, "reading a plain file only", test_read_plain);
        add(&table, "writing an existing file", test_write);
        add(&table, "a write that is cut short", test_short_write);
        add(&table, "replacing a file", test_replace);
        add(&table, "a replacement that fails leaves nothing behind", test_replace_fails);
        add(&table, "what killed processes have left", test_sweep);
        add(&table, "the name that a link ends in", test_link_name);
        add(&table, "the name before the one that a link ends in", test_link_parent);
        add(&table, "what a scope owns is given back", test_cleanup);
        failed = table_run("file", &table);
        close(dir_fd);
        (void)rmdir(directory);
        return failed;
}
