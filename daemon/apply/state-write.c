/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every file is put in place whole, by rename(2), and readable for everybody.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "host/config-load.h"
#include "host/state-files.h"
#include "state-write.h"
#include "sysfs.h"

int run_dir_make(const Root *root) {
        return mkdirat(root->fd, RUN_DIR, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int state_write(const Root *root, const RunState *state) {
        _cleanup_free_ char *text = NULL;
        int n;

        n = run_state_format(state, &text);
        return n < 0 ? n : file_replace_at(root->fd, STATUS_PATH, text, (size_t)n);
}

static bool is_accepted(const Root *root, const char *text, size_t length) {
        _cleanup_free_ char *old = NULL;

        return file_read_alloc_at(root->fd, CONFIG_ACCEPTED_PATH, CONFIG_FILE_MAX, &old) ==
                       (ssize_t)length &&
               memcmp(text, old, length) == 0;
}

bool accepted_is(const Root *root, const Config *config) {
        _cleanup_free_ char *text = NULL;
        int n = config_format(config, &text);

        return n >= 0 && is_accepted(root, text, (size_t)n);
}

int accepted_write(const Root *root, const Config *config) {
        _cleanup_free_ char *text = NULL;
        int n;

        n = config_format(config, &text);
        if (n < 0)
                return n;
        if (is_accepted(root, text, (size_t)n))
                return 0;
        n = file_replace_at(root->fd, CONFIG_ACCEPTED_PATH, text, (size_t)n);
        return n < 0 ? n : 1;
}

static int write_result(const Root *root, const char *path, const RunResult *result,
                        __typeof__(file_replace_at) *replace) {
        char text[RUN_RESULT_SIZE_MAX] = "";
        FILE *file;
        long n;

        file = fmemopen(text, sizeof(text), "w");
        if (!file)
                return -errno;
        run_result_print(result, file);
        n = ftell(file);
        if (fclose(file) != 0 || n < 0 || (size_t)n >= sizeof(text))
                return -EFBIG;
        if (run_dir_make(root) < 0)
                return -ENOENT;
        return replace(root->fd, path, text, (size_t)n);
}

/* The names go first and come last, so that they never stand beside another run's result. */
int result_write(const Root *root, const char *path, const RunResult *result) {
        bool has_names = strcmp(path, RESULT_PATH) == 0;
        RunResult names = *result;
        int r;

        if (has_names)
                (void)unlinkat(root->fd, RESULT_NAMES_PATH, 0);
        r = write_result(root, path, result, file_replace_at);
        if (r < 0 || !has_names || result->full_text[0] == '\0')
                return r;
        (void)memcpy(names.text, result->full_text, sizeof(names.text));
        return write_result(root, RESULT_NAMES_PATH, &names, file_replace_private_at);
}

/* --- marks --- */

size_t marks_list(const Root *root, PciAddress *ret, size_t max) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, VFIO_MARKS_DIR);
        const struct dirent *entry;
        size_t n = 0;

        while (dir && n < max && (entry = readdir(dir)))
                n += pci_address_parse(entry->d_name, &ret[n]) >= 0;
        return n;
}

static bool is_among(const PciAddress *addresses, size_t n, PciAddress address) {
        for (size_t i = 0; i < n; i++)
                if (pci_address_compare(addresses[i], address) == 0)
                        return true;
        return false;
}

/* Takes away those of all others. */
static int remove_marks(DIR *dir, const PciAddress *addresses, size_t n) {
        for (;;) {
                const struct dirent *entry;
                PciAddress address;

                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                if (pci_address_parse(entry->d_name, &address) < 0 ||
                    is_among(addresses, n, address))
                        continue;
                if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
                        return -errno;
        }
}

/* For udev's IMPORT. */
static int fill_mark(const Root *root, PciAddress address, int mark) {
        char driver[CONFIG_DRIVER_SIZE];

        if (ftruncate(mark, 0) < 0)
                return -errno;
        if (sysfs_read_driver(root, address, driver) < 0 || !driver_name_is_vfio(driver) ||
            strcmp(driver, VFIO_DRIVER) == 0)
                return 0;
        return dprintf(mark, "VFIO_MODE_DRIVER=%s\n", driver) < 0 ? -errno : 0;
}

int marks_write(const Root *root, const PciAddress *addresses, size_t n) {
        _cleanup_closedir_ DIR *dir = NULL;
        int r;

        if (mkdirat(root->fd, VFIO_MARKS_DIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        dir = file_open_dir_at(root->fd, VFIO_MARKS_DIR);
        if (!dir)
                return -errno;
        r = remove_marks(dir, addresses, n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                char name[PCI_ADDRESS_SIZE];
                _cleanup_close_ int mark = -1;

                mark = openat(dirfd(dir), pci_address_format(addresses[i], name),
                              O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
                if (mark < 0)
                        return -errno;
                r = fill_mark(root, addresses[i], mark);
        }
        return r;
}
