/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths wait in a list until their directory is read: no recursion, and never more in memory than
 * the directories that were seen and not entered yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "capture.h"

/* A directory that is to be read. */
typedef struct Waiting {
        char *path;
        const char *pattern; /* of what is below it; NULL: a tree of devices */
} Waiting;

typedef struct Capture {
        const Root *root;
        const CaptureSink *sink;
        bool without_overrides;
        const CaptureRow *row;
        Waiting *waiting;
        size_t n_waiting, n_allocated;
        size_t n_entries;
} Capture;

static void capture_done(Capture *capture) {
        while (capture->n_waiting > 0)
                free(capture->waiting[--capture->n_waiting].path);
        free(capture->waiting);
}

static int wait_for(Capture *capture, const char *path, const char *pattern) {
        if (capture->n_waiting == capture->n_allocated) {
                size_t n = capture->n_allocated * 2 + 64;
                Waiting *waiting = reallocarray(capture->waiting, n, sizeof(*waiting));

                if (!waiting)
                        return -ENOMEM;
                capture->waiting = waiting;
                capture->n_allocated = n;
        }
        capture->waiting[capture->n_waiting] =
                (Waiting){ .path = strdup(path), .pattern = pattern };
        if (!capture->waiting[capture->n_waiting].path)
                return -ENOMEM;
        capture->n_waiting++;
        return 0;
}

/* --- one entry --- */

/* What goes while it is looked at, or has no value at the time, was not there. */
static int miss(const Capture *capture, const char *path, int error) {
        static const int no_errors[] = { -ENOENT, -ENODEV, -ENXIO,     -ENOTDIR,
                                         -EINVAL, -EIO,    -EOPNOTSUPP };

        for (size_t i = 0; i < ARRAY_SIZE(no_errors); i++)
                if (error == no_errors[i])
                        return 0;
        return capture->sink->missed(capture->sink->userdata, path, error);
}

static int give_file(Capture *capture, const char *path, RedactFile what, const struct stat *st,
                     char *data, size_t length) {
        const CapturedFile file = { .path = path,
                                    .what = what,
                                    .is_executable = st->st_mode & S_IXUSR,
                                    .time = (uint64_t)st->st_mtim.tv_sec * 1000000 +
                                            (uint64_t)st->st_mtim.tv_nsec / 1000 };

        return capture->sink->file(capture->sink->userdata, &file, data, length);
}

static int take_file(Capture *capture, const char *path, RedactFile what) {
        _cleanup_free_ char *data = NULL;
        struct stat st;
        ssize_t n;

        /* A pipe would be waited for. */
        if (fstatat(capture->root->fd, path, &st, 0) < 0)
                return miss(capture, path, -errno);
        if (S_ISDIR(st.st_mode)) /* what is looked into, and may be empty */
                return capture->sink->directory(capture->sink->userdata, path);
        if (!S_ISREG(st.st_mode))
                return 0;
        n = file_read_alloc_at(capture->root->fd, path, CAPTURE_FILE_MAX, &data);
        return n < 0 ? miss(capture, path, (int)n)
                     : give_file(capture, path, what, &st, data, (size_t)n);
}

static int take_link(Capture *capture, const char *path) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(capture->root->fd, path, target, sizeof(target) - 1);

        if (n < 0)
                return miss(capture, path, -errno);
        target[n] = '\0';
        return capture->sink->link(capture->sink->userdata, path, target);
}

/* Its kind and no more; a link stays one where the row asks for that. */
static int take_name(Capture *capture, const char *path, bool keep_link) {
        const CaptureSink *sink = capture->sink;
        char nothing[1] = "";
        struct stat st;

        if (fstatat(capture->root->fd, path, &st, keep_link ? AT_SYMLINK_NOFOLLOW : 0) < 0)
                return miss(capture, path, -errno);
        if (S_ISLNK(st.st_mode))
                return take_link(capture, path);
        if (S_ISDIR(st.st_mode))
                return sink->directory(sink->userdata, path);
        return give_file(capture, path, REDACT_FILE_NAME, &st, nothing, 0);
}

static int take(Capture *capture, const char *path) {
        if (++capture->n_entries > CAPTURE_ENTRIES_MAX)
                return -E2BIG;
        switch (capture->row->kind) {
        case CAPTURE_FILE:
                return take_file(capture, path, capture->row->what);
        case CAPTURE_LINK:
        case CAPTURE_NAME:
                return take_name(capture, path, capture->row->kind == CAPTURE_LINK);
        case CAPTURE_TREE:
                break;
        }
        return wait_for(capture, path, NULL);
}

/* --- a tree of devices --- */

static int visit_device(Capture *capture, const char *directory, const char *name, const char *path,
                        unsigned char type) {
        RedactFile what;

        if (type == DT_DIR) {
                int r = capture_takes_directory(name) ? take_name(capture, path, true) : 0;

                return r < 0 || capture_leaves_directory(name) ? r : wait_for(capture, path, NULL);
        }
        if (++capture->n_entries > CAPTURE_ENTRIES_MAX)
                return -E2BIG;
        if (type == DT_LNK)
                return capture_takes_link(directory, name) ? take_link(capture, path) : 0;
        if (type != DT_REG || !capture_takes_attribute(directory, name, &what) ||
            (capture->without_overrides && strcmp(name, "driver_override") == 0))
                return 0;
        return take_file(capture, path, what);
}

/* --- a pattern --- */

static int visit_match(Capture *capture, const char *pattern, const char *name, const char *path) {
        size_t length = strcspn(pattern, "/");
        char component[256];

        (void)snprintf(component, sizeof(component), "%.*s", (int)length, pattern);
        if (fnmatch(component, name, FNM_PERIOD) != 0)
                return 0;
        return pattern[length] == '\0' ? take(capture, path)
                                       : wait_for(capture, path, pattern + length + 1);
}

static int read_directory(Capture *capture, const Waiting *waiting) {
        _cleanup_closedir_ DIR *dir =
                file_open_dir_at(capture->root->fd, waiting->path[0] ? waiting->path : ".");
        const struct dirent *entry;
        int r = 0;

        if (!dir)
                return miss(capture, waiting->path, -errno);
        while (r >= 0 && (entry = readdir(dir))) {
                char path[CAPTURE_PATH_SIZE];

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    snprintf(path, sizeof(path), "%s%s%s", waiting->path,
                             waiting->path[0] ? "/" : "", entry->d_name) >= (int)sizeof(path))
                        continue;
                r = waiting->pattern ? visit_match(capture, waiting->pattern, entry->d_name, path)
                                     : visit_device(capture, waiting->path, entry->d_name, path,
                                                    entry->d_type);
        }
        return r;
}

/* What stands before the first wildcard need not be looked for. */
static int begin(Capture *capture, const CaptureRow *row) {
        size_t wild = strcspn(row->pattern, "*?[");
        char path[256];

        capture->row = row;
        if (row->pattern[wild] == '\0')
                return faccessat(capture->root->fd, row->pattern, F_OK, AT_SYMLINK_NOFOLLOW) < 0
                               ? 0
                               : take(capture, row->pattern);
        while (wild > 0 && row->pattern[wild] != '/')
                wild--;
        (void)snprintf(path, sizeof(path), "%.*s", (int)wild, row->pattern);
        return wait_for(capture, path, row->pattern + wild + 1);
}

int capture(const Root *root, bool without_overrides, const CaptureSink *sink) {
        _cleanup_(capture_done) Capture capture = { .root = root,
                                                    .sink = sink,
                                                    .without_overrides = without_overrides };
        int r = 0;

        for (const CaptureRow *row = capture_rows; row->pattern && r >= 0; row++) {
                r = begin(&capture, row);
                while (r >= 0 && capture.n_waiting > 0) {
                        Waiting next = capture.waiting[--capture.n_waiting];

                        r = read_directory(&capture, &next);
                        free(next.path);
                }
        }
        return r;
}
