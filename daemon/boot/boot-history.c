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

static int make_directory(const Root *root) {
        return mkdirat(root->fd, STATE_DIR, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int replace(const Root *root, const char *path, const BootRecord *record) {
        char text[BOOT_RECORD_SIZE_MAX];
        int n;

        n = boot_record_format(record, text, sizeof(text));
        return n < 0 ? n : file_replace_synced_at(root->fd, path, text, (size_t)n);
}

/* What was this boot's until now becomes that of the boot before, if it is of another boot. */
static int keep_previous(const Root *root, const char *boot_id) {
        BootRecord old;
        int r = boot_record_read(root, BOOT_RECORD_PATH, &old);

        if (r >= 0 && strcmp(old.boot_id, boot_id) != 0)
                return replace(root, BOOT_RECORD_PREVIOUS_PATH, &old);
        /* Of the boot before nothing is known: no older one may pass for it. */
        if (r == -EBADMSG || r == -EPROTONOSUPPORT)
                (void)unlinkat(root->fd, BOOT_RECORD_PREVIOUS_PATH, 0);
        return 0;
}

int boot_record_write(const Root *root, const BootRecord *record) {
        int r;

        r = make_directory(root);
        if (r >= 0)
                r = keep_previous(root, record->boot_id);
        return r < 0 ? r : replace(root, BOOT_RECORD_PATH, record);
}

int fall_record_write(const Root *root, const FallRecord *fall) {
        char text[FALL_RECORD_SIZE_MAX];
        int r;

        r = make_directory(root);
        if (r >= 0)
                r = fall_record_format(fall, text, sizeof(text));
        return r < 0 ? r : file_replace_synced_at(root->fd, FALL_RECORD_PATH, text, (size_t)r);
}

int fall_record_read(const Root *root, FallRecord *ret) {
        char text[FALL_RECORD_SIZE_MAX];
        ssize_t n;

        n = file_read_at(root->fd, FALL_RECORD_PATH, text, sizeof(text));
        return n < 0 ? (int)n : fall_record_parse(text, ret);
}
