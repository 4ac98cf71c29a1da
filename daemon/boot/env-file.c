/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of calls matters here: GRUB reads sectors, and knows neither journal nor page cache.
 * What is written once in full and synced stays at its sectors; from then on one pwrite(2) over it
 * and one fdatasync(2) are a change that GRUB sees, and that no replay of a journal takes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "env-file.h"

#define LOCK_WAIT_MS 5000
#define LOCK_STEP_MS 20

/* --- the bytes --- */

/* The kernel may hold pages from before GRUB wrote: after hibernation it has not read anew. */
static int read_block(int fd, EnvBlock *ret) {
        ssize_t n;

        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        n = pread(fd, ret->bytes, sizeof(ret->bytes), 0);
        if (n < 0)
                return -errno;
        return n == sizeof(ret->bytes) ? 0 : -EBADMSG;
}

static int write_block(int fd, const EnvBlock *block) {
        ssize_t n = pwrite(fd, block->bytes, sizeof(block->bytes), 0);

        if (n < 0)
                return -errno;
        return n == sizeof(block->bytes) ? 0 : -EIO;
}

/* --- the lock --- */

/*
 * A POSIX lock, so that no child keeps it. By looking again and again: the other writer holds it
 * for as long as one write takes, or, on a disk that hangs, for ever; F_SETLKW would hang with it,
 * and these programs take no signals that could end the wait.
 */
static int lock(int fd) {
        const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };

        for (int waited = 0;; waited += LOCK_STEP_MS) {
                struct flock region = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

                if (fcntl(fd, F_SETLK, &region) == 0)
                        return 0;
                if (errno != EACCES && errno != EAGAIN)
                        return -errno;
                if (waited >= LOCK_WAIT_MS)
                        return -ETIMEDOUT;
                (void)nanosleep(&step, NULL);
        }
}

/* --- reading --- */

int env_file_read(const Root *root, const char *path, BootState *ret) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        EnvBlock block;
        int r;

        fd = openat(root->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size != ENV_BLOCK_SIZE)
                return -EBADMSG;
        r = read_block(fd, &block);
        return r < 0 ? r : boot_state_parse(&block, ret);
}

/* --- creating --- */

static int sync_directory(const Root *root, const char *path) {
        _cleanup_close_ int fd = openat(root->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

/* Makes the directories that @path lies in. */
static int make_directories(const Root *root, const char *path) {
        char part[BOOT_PATH_SIZE];

        (void)snprintf(part, sizeof(part), "%s", path);
        for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
                int r;

                *slash = '\0';
                r = mkdirat(root->fd, part, 0755) < 0 ? -errno : 0;
                *slash = '/';
                if (r < 0 && r != -EEXIST)
                        return r;
        }
        return 0;
}

/* Writes an idle block into a file that is new, or that a power cut left half-made. */
static int fill(const Root *root, int fd, const char *path) {
        BootState state = { .sequence = (uint64_t)time(NULL), .left = 1 };
        char directory[BOOT_PATH_SIZE];
        struct stat st;
        EnvBlock block;
        int r;

        r = lock(fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size >= ENV_BLOCK_SIZE)
                return 0;
        r = boot_state_format(&state, &block);
        if (r >= 0)
                r = write_block(fd, &block);
        if (r < 0)
                return r;
        if (fsync(fd) < 0)
                return -errno;
        (void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path),
                       path);
        r = sync_directory(root, directory);
        if (r < 0)
                return r;
        /* fsync(2) may leave the name to the journal, which GRUB does not read. */
        return syncfs(fd) < 0 ? -errno : 1;
}

int env_file_create(const Root *root, const char *path) {
        _cleanup_close_ int fd = -1;
        int r;

        r = make_directories(root, path);
        if (r < 0)
                return r;
        fd = openat(root->fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 && errno == EEXIST)
                fd = openat(root->fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? -errno : fill(root, fd, path);
}

/* --- changing --- */

static int replace_block(int fd, const EnvBlock *block) {
        EnvBlock back;
        int r;

        r = write_block(fd, block);
        if (r < 0)
                return r;
        if (fdatasync(fd) < 0)
                return -errno;
        r = read_block(fd, &back);
        if (r < 0)
                return r;
        return memcmp(&back, block, sizeof(back)) == 0 ? 1 : -EIO;
}

int env_file_update(const Root *root, const char *path, EnvFileChange change, void *userdata,
                    Refusal *refusal) {
        _cleanup_close_ int fd = -1;
        BootState state = { 0 };
        EnvBlock block;
        bool damaged;
        int r;

        fd = openat(root->fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = lock(fd);
        if (r < 0)
                return r;
        if (boot_place_check_file(root, fd, path, refusal) != REFUSAL_NONE)
                return -EOPNOTSUPP;
        r = read_block(fd, &block);
        if (r < 0)
                return r;
        damaged = boot_state_parse(&block, &state) < 0;
        r = change(&state, damaged, userdata);
        if (r <= 0)
                return r;
        r = boot_state_format(&state, &block);
        return r < 0 ? r : replace_block(fd, &block);
}
