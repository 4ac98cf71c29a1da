/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of the boot before is written a second time before the record of this boot takes its
 * place: so no power cut leaves a machine without the count that it held.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "boot-history.h"
#include "host/state-files.h"

#define VAR_LIB "var/lib"
#define BOOT_ID_PATH "proc/sys/kernel/random/boot_id"

int boot_id_read(const Root *root, char ret[static BOOT_ID_SIZE]) {
        char text[BOOT_ID_SIZE + 8];
        ssize_t n = file_read_line_at(root->fd, BOOT_ID_PATH, text, sizeof(text));

        if (n < 0)
                return (int)n;
        return n == BOOT_ID_SIZE - 1 ? parse_copy(ret, BOOT_ID_SIZE, text, (size_t)n) : -EBADMSG;
}

int boot_record_read(const Root *root, const char *path, BootRecord *ret) {
        char text[BOOT_RECORD_SIZE_MAX];
        ssize_t n = file_read_at(root->fd, path, text, sizeof(text));

        /* No directory of ours yet means no record; no /var/lib, that nobody can know. */
        if (n == -ENOENT)
                return faccessat(root->fd, VAR_LIB, F_OK, 0) < 0 ? -ENOTDIR : -ENOENT;
        if (n == -EFBIG)
                return -EBADMSG;
        if (n < 0)
                return (int)n;
        return strlen(text) == (size_t)n ? boot_record_parse(text, ret) : -EBADMSG;
}

int boot_record_read_current(const Root *root, BootRecord *ret) {
        static const char *const paths[] = { BOOT_RECORD_PATH, BOOT_RECORD_RUN_PATH };
        char boot_id[BOOT_ID_SIZE];
        BootRecord record;
        int r;

        r = boot_id_read(root, boot_id);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                if (boot_record_read(root, paths[i], &record) >= 0 &&
                    strcmp(record.boot_id, boot_id) == 0) {
                        *ret = record;
                        return 0;
                }
        return -ENOENT;
}

bool boot_awaits_vm(const Root *root, const Config *config, const ConfigMode *mode) {
        BootRecord record;

        return mode->confirm == CONFIG_CONFIRM_VM && boot_record_read_current(root, &record) >= 0 &&
               boot_record_awaits_confirmation(&record, mode->name, config->fallback_mode);
}

/* --- writing --- */

static int write_synced(int dir_fd, const char *name, const char *text, size_t length) {
        _cleanup_close_ int fd = -1;
        ssize_t n;

        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        n = write(fd, text, length);
        if (n < 0)
                return -errno;
        if ((size_t)n != length)
                return -EIO;
        return fsync(fd) < 0 ? -errno : 0;
}

static int replace_text(int dir_fd, const char *name, const char *text, size_t length) {
        char temporary[64];
        int r;

        r = file_temporary_name(name, temporary, sizeof(temporary));
        if (r < 0)
                return r;
        r = write_synced(dir_fd, temporary, text, length);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(dir_fd, temporary, 0);
        return r;
}

static int replace(int dir_fd, const char *name, const BootRecord *record) {
        char text[BOOT_RECORD_SIZE_MAX];
        int n;

        n = boot_record_format(record, text, sizeof(text));
        return n < 0 ? n : replace_text(dir_fd, name, text, (size_t)n);
}

static int open_directory(const Root *root) {
        int fd;

        if (mkdirat(root->fd, STATE_DIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(root->fd, STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* What was this boot's until now becomes that of the boot before, if it is of another boot. */
static int keep_previous(const Root *root, int dir_fd, const char *boot_id) {
        BootRecord old;
        int r = boot_record_read(root, BOOT_RECORD_PATH, &old);

        if (r >= 0 && strcmp(old.boot_id, boot_id) != 0)
                return replace(dir_fd, "boot.previous", &old);
        /* Of the boot before nothing is known: no older one may pass for it. */
        if (r == -EBADMSG || r == -EPROTONOSUPPORT)
                (void)unlinkat(dir_fd, "boot.previous", 0);
        return 0;
}

int boot_record_write(const Root *root, const BootRecord *record) {
        _cleanup_close_ int dir_fd = open_directory(root);
        int r;

        if (dir_fd < 0)
                return dir_fd;
        r = keep_previous(root, dir_fd, record->boot_id);
        if (r >= 0)
                r = replace(dir_fd, "boot", record);
        if (r >= 0 && fsync(dir_fd) < 0)
                r = -errno;
        return r;
}

int fall_record_write(const Root *root, const FallRecord *fall) {
        _cleanup_close_ int dir_fd = open_directory(root);
        char text[FALL_RECORD_SIZE_MAX];
        int r;

        if (dir_fd < 0)
                return dir_fd;
        r = fall_record_format(fall, text, sizeof(text));
        if (r >= 0)
                r = replace_text(dir_fd, "fall", text, (size_t)r);
        if (r >= 0 && fsync(dir_fd) < 0)
                r = -errno;
        return r;
}

int fall_record_read(const Root *root, FallRecord *ret) {
        char text[FALL_RECORD_SIZE_MAX];
        ssize_t n;

        n = file_read_at(root->fd, FALL_RECORD_PATH, text, sizeof(text));
        return n < 0 ? (int)n : fall_record_parse(text, ret);
}
