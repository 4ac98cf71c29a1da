/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files, read and written whole. Knows nothing of what they say. No call is repeated on
 * EINTR: the programs take their signals by signalfd or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "parse.h"

#define TEMPORARY_END ".tmp"

static ssize_t read_all(int fd, char *buffer, size_t size) {
        size_t length = 0;

        while (length < size) {
                ssize_t n = read(fd, buffer + length, size - length);

                if (n < 0)
                        return -errno;
                if (n == 0) {
                        buffer[length] = '\0';
                        return (ssize_t)length;
                }
                length += (size_t)n;
        }
        return -EFBIG;
}

static int write_all(int fd, const char *text, size_t length) {
        while (length > 0) {
                ssize_t n = write(fd, text, length);

                if (n < 0)
                        return -errno;
                text += n;
                length -= (size_t)n;
        }
        return 0;
}

ssize_t file_read_at(int dir_fd, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return read_all(fd, buffer, size);
}

ssize_t file_read_line_at(int dir_fd, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        /* sysfs gives an attribute whole at the first read, so that no second one has to find its
         * end. */
        n = read(fd, buffer, size);
        if (n < 0)
                return -errno;
        if ((size_t)n == size)
                return -EFBIG;
        buffer[n] = '\0';
        n = (ssize_t)strcspn(buffer, "\n");
        buffer[n] = '\0';
        return n;
}

static ssize_t read_alloc(int fd, size_t max, char **ret) {
        _cleanup_free_ char *buffer = malloc(max + 1);
        ssize_t length;

        if (!buffer)
                return -ENOMEM;
        length = read_all(fd, buffer, max + 1);
        if (length >= 0)
                *ret = TAKE_PTR(buffer);
        return length;
}

ssize_t file_read_alloc_at(int dir_fd, const char *path, size_t max, char **ret) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : read_alloc(fd, max, ret);
}

/* Nothing is opened before it is known to be a plain file: to open a device may do something. */
ssize_t file_read_plain_at(int dir_fd, const char *path, size_t max, char **ret, mode_t *ret_mode) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        ssize_t n;

        if (fstatat(dir_fd, path, &st, 0) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EISNAM;
        fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode)) /* put in its place meanwhile */
                return -EISNAM;
        n = read_alloc(fd, max, ret);
        if (n >= 0)
                *ret_mode = st.st_mode;
        return n;
}

int file_write_at(int dir_fd, const char *path, const char *text) {
        /* sysfs does not mind O_TRUNC; a plain file in a test's tree needs it. */
        _cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        size_t length = strlen(text);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, text, length);
        if (n < 0)
                return -errno;
        return (size_t)n == length ? 0 : -EIO;
}

static int write_new(int dir_fd, const char *path, mode_t mode, const char *text, size_t length) {
        _cleanup_close_ int fd =
                openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

        return fd < 0 ? -errno : write_all(fd, text, length);
}

/* By process: of two writers neither may rename what the other is still writing. */
int file_temporary_name(const char *path, char *buffer, size_t size) {
        int n = snprintf(buffer, size, "%s.%ld" TEMPORARY_END, path, (long)getpid());

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int replace(int dir_fd, const char *path, mode_t mode, const char *text, size_t length) {
        char temporary[PATH_MAX];
        int r;

        r = file_temporary_name(path, temporary, sizeof(temporary));
        if (r < 0)
                return r;
        r = write_new(dir_fd, temporary, mode, text, length);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(dir_fd, temporary, 0);
        return r;
}

int file_replace_at(int dir_fd, const char *path, const char *text, size_t length) {
        return replace(dir_fd, path, 0644, text, length);
}

static int write_new_synced(int dir_fd, const char *path, const char *text, size_t length) {
        _cleanup_close_ int fd =
                openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, text, length);
        if (r >= 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
                r = -errno;
        return r;
}

static int sync_parent(int dir_fd, const char *path) {
        const char *slash = strrchr(path, '/');
        char parent[PATH_MAX] = ".";
        _cleanup_close_ int fd = -1;

        if (slash && parse_copy(parent, sizeof(parent), path, (size_t)(slash - path)) < 0)
                return -ENAMETOOLONG;
        fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_replace_synced_at(int dir_fd, const char *path, const char *text, size_t length) {
        char temporary[PATH_MAX];
        int r;

        r = file_temporary_name(path, temporary, sizeof(temporary));
        if (r < 0)
                return r;
        r = write_new_synced(dir_fd, temporary, text, length);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return sync_parent(dir_fd, path);
}

int file_replace_private_at(int dir_fd, const char *path, const char *text, size_t length) {
        return replace(dir_fd, path, 0600, text, length);
}

/* Whether it is PATH.PID.tmp, of no process that is there: one that is may be writing it. */
static bool is_abandoned(const char *name) {
        size_t length = strlen(name), end = sizeof(TEMPORARY_END) - 1;
        char pid[24];
        uint64_t number;
        const char *dot;

        if (length <= end || strcmp(name + length - end, TEMPORARY_END) != 0)
                return false;
        length -= end;
        dot = memrchr(name, '.', length);
        if (!dot || parse_copy(pid, sizeof(pid), dot + 1, length - (size_t)(dot + 1 - name)) < 0 ||
            parse_decimal(pid, INT_MAX, &number) < 0 || number == 0)
                return false;
        return kill((pid_t)number, 0) < 0 && errno == ESRCH;
}

void file_sweep_at(int dir_fd, const char *path) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(dir_fd, path);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (is_abandoned(entry->d_name))
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
}

static int read_link(int dir_fd, const char *path, char target[static PATH_MAX]) {
        ssize_t n = readlinkat(dir_fd, path, target, PATH_MAX - 1);

        if (n < 0)
                return -errno;
        target[n] = '\0';
        return 0;
}

static ssize_t copy_last_name(const char *target, char *buffer, size_t size) {
        const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
        size_t length = strlen(name);

        if (length >= size)
                return -ENAMETOOLONG;
        memcpy(buffer, name, length + 1);
        return (ssize_t)length;
}

ssize_t file_read_link_name_at(int dir_fd, const char *path, char *buffer, size_t size) {
        char target[PATH_MAX];
        int r = read_link(dir_fd, path, target);

        return r < 0 ? r : copy_last_name(target, buffer, size);
}

ssize_t file_read_link_parent_at(int dir_fd, const char *path, char *buffer, size_t size) {
        char target[PATH_MAX], *slash;
        int r = read_link(dir_fd, path, target);

        if (r < 0)
                return r;
        slash = strrchr(target, '/');
        if (!slash)
                return -ENOENT;
        *slash = '\0';
        return copy_last_name(target, buffer, size);
}

DIR *file_open_dir_at(int dir_fd, const char *path) {
        DIR *dir;
        int fd;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        dir = fdopendir(fd);
        if (!dir) {
                closep(&fd);
                errno = ENOMEM; /* there is no other reason */
        }
        return dir;
}
