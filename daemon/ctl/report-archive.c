/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between what was found and tar: everything goes through the redactor here, names and targets of
 * links as well.
 */
#include <errno.h>
#include <search.h>
#include <string.h>

#include "ctl/report-archive.h"

#define ARCHIVE_SIZE_MAX (256u * 1024 * 1024)

void report_archive_done(ReportArchive *archive) {
        tdestroy(archive->names, free);
        archive->names = NULL;
        lines_done(&archive->missed);
        redactor_freep(&archive->redactor);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(a, b);
}

static int redact_text(ReportArchive *archive, const char *text, char **ret) {
        size_t length;

        return redact(archive->redactor, text, strlen(text), ret, &length);
}

/* The name of an entry. Returns 1 with it, which stays the archive's; 0 where there is such an
 * entry already; or -ENOMEM. */
static int take_name(ReportArchive *archive, const char *path, const char **ret) {
        _cleanup_free_ char *name = NULL;
        char *const *node;
        int r;

        r = redact_text(archive, path, &name);
        if (r < 0)
                return r;
        node = tsearch(name, &archive->names, compare_names);
        if (!node)
                return -ENOMEM;
        if (*node != name) {
                lines_add(&archive->missed, "/%s: another file is called %s in it", path, name);
                return 0;
        }
        *ret = TAKE_PTR(name);
        return 1;
}

static int add_file(void *userdata, const CapturedFile *file, char *data, size_t length) {
        const unsigned mode = file->is_executable ? 0755 : 0644;
        ReportArchive *archive = userdata;
        _cleanup_free_ char *text = NULL;
        size_t size = length, n;
        const char *name;
        int r;

        if (archive->tar.n_bytes + length > ARCHIVE_SIZE_MAX)
                return -E2BIG;
        length = redact_file(file->what, data, length);
        if (file->what == REDACT_FILE_RAW)
                return tar_add_file(&archive->tar, file->path, mode, file->time, data, length);
        r = take_name(archive, file->path, &name);
        if (r > 0)
                r = redact(archive->redactor, data, length, &text, &n);
        if (r < 0 || !text)
                return r;
        if (file->what == REDACT_FILE_BLOCK) {
                char *block = realloc(text, (n > size ? n : size) + 1);

                if (!block)
                        return -ENOMEM;
                text = block;
                n = redact_file_fit_block(text, n, size);
        }
        return tar_add_file(&archive->tar, name, mode, file->time, text, n);
}

static int add_link(void *userdata, const char *path, const char *target) {
        ReportArchive *archive = userdata;
        _cleanup_free_ char *to = NULL;
        const char *name;
        int r;

        r = take_name(archive, path, &name);
        if (r > 0)
                r = redact_text(archive, target, &to);
        return r < 0 || !to ? r : tar_add_link(&archive->tar, name, to);
}

static int add_directory(void *userdata, const char *path) {
        ReportArchive *archive = userdata;
        const char *name;
        int r = take_name(archive, path, &name);

        return r <= 0 ? r : tar_add_directory(&archive->tar, name);
}

static int add_missed(void *userdata, const char *path, int error) {
        ReportArchive *archive = userdata;

        lines_add(&archive->missed, "/%s: %s", path, strerror(-error));
        return 0;
}

int report_archive_add_machine(ReportArchive *archive, const Root *root) {
        const CaptureSink sink = { archive, add_file, add_link, add_directory, add_missed };

        return capture(root, archive->without_overrides, &sink);
}

int report_archive_add_file(ReportArchive *archive, const char *path, const char *text) {
        _cleanup_free_ char *copy = must_have(strdup(text));

        return add_file(archive, &(CapturedFile){ .path = path, .what = REDACT_FILE_TEXT }, copy,
                        strlen(copy));
}

int report_archive_add_link(ReportArchive *archive, const char *path, const char *target) {
        return add_link(archive, path, target);
}

int report_archive_add_text(ReportArchive *archive, const char *name, const char *text) {
        char path[128];

        (void)snprintf(path, sizeof(path), REPORT_DIR "/%s", name);
        return report_archive_add_file(archive, path, text);
}
