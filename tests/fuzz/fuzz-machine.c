/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole machine of somebody else's, as `--root=DIR` reads one: whatever its files hold, it is
 * described in JSON, each mode is inspected, and nothing is read outside of it. This is for all
 * that takes text from a file and is no parser of its own: attributes of sysfs, tables in /proc,
 * udev's database, GRUB's files, EFI variables, hooks, what is left in /run.
 *
 * The input is records with a form feed between them: the first line is a path, "PATH -> TARGET" a
 * symbolic link, and the rest the file.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/bound-early.h"
#include "apply/inspect.h"
#include "base/log.h"
#include "bus/job-file.h"
#include "host/config-load.h"
#include "host/host-scan.h"
#include "host/identity.h"
#include "round-trip.h"
#include "view/describe.h"
#include "view/json.h"

#define RECORDS_MAX 512
#define DEPTH_MAX 12
#define PATH_LENGTH_MAX 160

/* --- the tree --- */

/* Of the characters that such paths have, and no step out of the tree. Returns its depth, 0: none.
 */
static unsigned path_depth(const char *path) {
        unsigned depth = 1;

        if (path[0] == '\0' || strlen(path) > PATH_LENGTH_MAX ||
            path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              ":._@+-/")] != '\0')
                return 0;
        for (const char *at = path; at; at = strchr(at, '/')) {
                size_t length;

                at += *at == '/';
                length = strcspn(at, "/");
                if (length == 0 || strspn(at, ".") == length)
                        return 0;
                depth += at[length] == '/';
        }
        return depth <= DEPTH_MAX ? depth : 0;
}

/* What leads upwards does so at its beginning, and not beyond the root. */
static bool target_stays_inside(const char *target, unsigned depth) {
        unsigned up = 0;

        while (strncmp(target, "../", 3) == 0) {
                target += 3;
                up++;
        }
        return up < depth && path_depth(target) > 0;
}

/* Returns a descriptor of the directory that @path is in, whose own name is @ret_name; or -1. */
static int make_parent(int root_fd, char *path, const char **ret_name) {
        int fd = openat(root_fd, ".", O_DIRECTORY | O_CLOEXEC);
        char *slash;

        while (fd >= 0 && (slash = strchr(path, '/'))) {
                int next;

                *slash = '\0';
                (void)mkdirat(fd, path, 0700);
                next = openat(fd, path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                (void)close(fd);
                fd = next;
                path = slash + 1;
        }
        *ret_name = path;
        return fd;
}

static void write_file(int dir_fd, const char *name, const char *text, size_t size) {
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return;
        assert(write(fd, text, size) == (ssize_t)size);
        (void)close(fd);
}

static void make_record(int root_fd, char *record, size_t size) {
        char *body = memchr(record, '\n', size);
        size_t length = body ? (size_t)(body - record) : size;
        char path[PATH_LENGTH_MAX * 2 + 8], *target;
        const char *name;
        unsigned depth;
        int dir_fd;

        if (length >= sizeof(path))
                return;
        (void)memcpy(path, record, length);
        path[length] = '\0';
        target = strstr(path, " -> ");
        if (target) {
                *target = '\0';
                target += strlen(" -> ");
        }
        depth = path_depth(path);
        if (depth == 0 || (target && !target_stays_inside(target, depth)))
                return;
        dir_fd = make_parent(root_fd, path, &name);
        if (dir_fd < 0)
                return;
        if (!target)
                write_file(dir_fd, name, body ? body + 1 : "", body ? size - length - 1 : 0);
        else if (symlinkat(target, dir_fd, name) < 0)
                assert(errno != EBADF); /* the name is taken, or no file may have it */
        (void)close(dir_fd);
}

static void make_tree(int root_fd, char *text, size_t size) {
        char *end = text + size;

        for (unsigned i = 0; i < RECORDS_MAX && text < end; i++) {
                char *next = memchr(text, '\f', (size_t)(end - text));
                size_t length = (size_t)((next ? next : end) - text);

                make_record(root_fd, text, length);
                text += length + 1;
        }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
        (void)st;
        (void)kind;
        (void)where;
        return remove(path);
}

/* --- its readers --- */

static void check_description(const Root *root) {
        json_object *parsed;
        char *text = NULL;

        assert(describe(root, NULL, &text) >= 0);
        assert(!strchr(text, '\n'));
        parsed = json_parse(text);
        assert(parsed);
        (void)json_object_put(parsed);
        free(text);
}

ROUND_TRIP(inspection_round_trip, Inspection, inspection_parse, inspection_format)

static void check_inspection(const Root *root, const char *mode) {
        Inspection *inspection = malloc(sizeof(*inspection));
        char *written = NULL, *again;

        assert(inspection && inspect(root, mode, inspection) == 0);
        assert(inspection_format(inspection, &written) > 0);
        again = inspection_round_trip(written);
        assert(again && strcmp(again, written) == 0);
        free(again);
        free(written);
        free(inspection);
}

static void inspect_modes(const Root *root) {
        ConfigFiles *files = calloc(1, sizeof(*files));
        Config *config = calloc(1, sizeof(*config));
        ConfigErrors errors;

        assert(files && config);
        if (config_load(root, files, config, &errors) >= 0)
                for (size_t i = 0; i < config->n_modes && i < 4; i++)
                        check_inspection(root, config->modes[i].name);
        else
                check_inspection(root, "host");
        config_files_done(files);
        free(files);
        free(config);
}

static void read_names(const Root *root) {
        Redactor *redactor = redactor_new();
        Host *host = calloc(1, sizeof(*host));
        int r;

        assert(redactor && host);
        r = host_scan_all(root, host);
        if (r >= 0)
                r = identity_read(root, NULL, host, redactor);
        assert(r != -EINVAL);
        redactor_freep(&redactor);
        free(host);
}

static void read_words(const Root *root) {
        const PciAddress gpu = { .bus = 1 };
        char driver[CONFIG_DRIVER_SIZE];
        JobRecord job;

        if (bound_early_find(root, gpu, driver))
                assert(strlen(driver) < sizeof(driver));
        if (job_file_read(root, &job) >= 0)
                assert(job.mode[0] == '\0' || config_name_is_valid(job.mode));
}

/* --- the target --- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1), path[64];
        Root root;

        log_set_max_level(LOG_EMERG);
        /* In memory, where there is such a place: it is made and removed each time. */
        (void)snprintf(path, sizeof(path), "%s/vfio-mode-fuzz-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert(text && mkdtemp(path));
        if (size > 0)
                (void)memcpy(text, data, size);
        text[size] = '\0';
        assert(root_open(path, &root) == 0);
        make_tree(root.fd, text, size);
        free(text);

        check_description(&root);
        inspect_modes(&root);
        read_names(&root);
        read_words(&root);

        root_close(&root);
        assert(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
        return 0;
}
