/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config.h"
#include "initramfs-stamp.h"

/* Debian's own kernels' modules are in either, by the release (they are one where /usr is merged).
 */
#define MODULES_DIR "lib/modules"
#define MODULES_BUILTIN "modules.builtin" /* of the kernel's package, and not depmod's */
#define APPLY_PROGRAM_MAX (16 * 1024 * 1024)
#define FAT_SECONDS 2 /* how exactly FAT keeps a file's time */
#define STAMP_MAX ((1 + CONFIG_DROPINS_MAX) * (CONFIG_FILE_MAX + NAME_MAX + 64))

#define PATH_SIZE (sizeof(INITRAMFS_DIR) + NAME_MAX + 2)

static const InitramfsTool tools[] = {
        { "initramfs-tools", "update-initramfs -u -k all", "boot/initrd.img-", "" },
        /* Debian's writes initramfs-tools' file, unless it is told another one. */
        { "dracut", "dracut --force --regenerate-all", "boot/initramfs-", ".img" },
        { "mkinitcpio", "mkinitcpio -P", NULL, NULL },
};

const InitramfsTool *initramfs_tool_of(const char *image) {
        size_t length = strlen(image);

        if (length > NAME_MAX || strchr(image, '/'))
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
                size_t n = strlen(tools[i].name);

                if (length > n + 1 && memcmp(image, tools[i].name, n) == 0 && image[n] == '-' &&
                    image[n + 1] != '.')
                        return &tools[i];
        }
        return NULL;
}

static const char *kernel_of(const char *image, const InitramfsTool *tool) {
        return image + strlen(tool->name) + 1;
}

static const char *stamp_path(const char *image, char path[static PATH_SIZE]) {
        (void)snprintf(path, PATH_SIZE, INITRAMFS_DIR "/%s", image);
        return path;
}

/* --- what goes into an image --- */

/* Another build of the program may think otherwise. FNV-1a: nobody forges this on a machine of his
 * own. */
static void format_program(const Root *root, FILE *file) {
        _cleanup_free_ char *program = NULL;
        ssize_t n = file_read_alloc_at(root->fd, &APPLY_PROGRAM[1], APPLY_PROGRAM_MAX, &program);
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (ssize_t i = 0; i < n; i++)
                hash = (hash ^ (unsigned char)program[i]) * UINT64_C(0x100000001b3);
        (void)fprintf(file, "program %zd %016" PRIx64 "\n", n, hash);
}

/* Returns its length, or -ENOMEM. */
static int format(const Root *root, const ConfigFiles *files, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        if (!file)
                return -ENOMEM;
        format_program(root, file);
        for (size_t i = 0; i < files->n_files; i++) {
                (void)fprintf(file, "file %s %zu\n", files->names[i], files->sizes[i]);
                (void)fwrite(files->texts[i], 1, files->sizes[i], file);
        }
        if (fclose(file) != 0)
                return -ENOMEM;
        *ret = text;
        text = NULL;
        return (int)size;
}

static int make_directory(const Root *root) {
        static const char *const directories[] = { STATE_DIR, INITRAMFS_DIR };

        for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
                if (mkdirat(root->fd, directories[i], 0755) < 0 && errno != EEXIST)
                        return -errno;
        return 0;
}

int initramfs_stamp_write(const Root *root, const char *image, const ConfigFiles *files) {
        _cleanup_free_ char *text = NULL;
        char path[PATH_SIZE];
        int n, r;

        n = format(root, files, &text);
        r = n < 0 ? n : make_directory(root);
        return r < 0 ? r
                     : file_replace_synced_at(root->fd, stamp_path(image, path), text, (size_t)n);
}

void initramfs_stamp_remove(const Root *root, const char *image) {
        char path[PATH_SIZE];

        (void)unlinkat(root->fd, stamp_path(image, path), 0);
}

/* --- what went into the images that there are --- */

/* The directory alone may be what was left of a kernel that is gone. */
static bool is_installed(const Root *root, const char *kernel) {
        char path[sizeof(MODULES_DIR) + NAME_MAX + sizeof(MODULES_BUILTIN) + 2];

        (void)snprintf(path, sizeof(path), MODULES_DIR "/%s/" MODULES_BUILTIN, kernel);
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

/* It is noted before the image is written, for which there may have been no room in /boot. */
static bool was_not_written(const Root *root, const char *image, const InitramfsTool *tool) {
        char stamp[PATH_SIZE], path[NAME_MAX + 64];
        struct stat noted, written;

        if (!tool->before)
                return false;
        (void)snprintf(path, sizeof(path), "%s%s%s", tool->before, kernel_of(image, tool),
                       tool->behind);
        return fstatat(root->fd, stamp_path(image, stamp), &noted, 0) == 0 &&
               fstatat(root->fd, path, &written, 0) == 0 &&
               written.st_mtime + FAT_SECONDS < noted.st_mtime;
}

static bool is_stale(const Root *root, const char *image, const char *now, size_t length) {
        _cleanup_free_ char *then = NULL;
        char path[PATH_SIZE];
        ssize_t n = file_read_alloc_at(root->fd, stamp_path(image, path), STAMP_MAX, &then);

        return n < 0 || (size_t)n != length || memcmp(then, now, length) != 0;
}

static void add(InitramfsStamps *stamps, const char *image, const InitramfsTool *tool) {
        if (stamps->n_stale++ > 0 && strcmp(stamps->stale, image) <= 0)
                return;
        stamps->tool = tool;
        (void)snprintf(stamps->stale, sizeof(stamps->stale), "%s", image);
}

static bool is_noted(const Root *root, const char *kernel) {
        char image[NAME_MAX + 1], path[PATH_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
                if (snprintf(image, sizeof(image), "%s-%s", tools[i].name, kernel) <
                            (int)sizeof(image) &&
                    faccessat(root->fd, stamp_path(image, path), F_OK, 0) == 0)
                        return true;
        return false;
}

/* A boot with any of these does without, which nobody expects who has it for another one. */
static void add_without(const Root *root, const InitramfsTool *tool, InitramfsStamps *ret) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, MODULES_DIR);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                char image[NAME_MAX + 1];

                if (entry->d_name[0] == '.' || !is_installed(root, entry->d_name) ||
                    is_noted(root, entry->d_name) ||
                    snprintf(image, sizeof(image), "%s-%s", tool->name, entry->d_name) >=
                            (int)sizeof(image))
                        continue;
                add(ret, image, tool);
        }
}

int initramfs_stamps_compare(const Root *root, const ConfigFiles *files, InitramfsStamps *ret) {
        _cleanup_closedir_ DIR *dir = file_open_dir_at(root->fd, INITRAMFS_DIR);
        _cleanup_free_ char *now = NULL;
        const InitramfsTool *any = NULL;
        const struct dirent *entry;
        int n;

        *ret = (InitramfsStamps){ .n_images = 0 };
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        n = format(root, files, &now);
        if (n < 0)
                return n;
        while ((entry = readdir(dir))) {
                const InitramfsTool *tool = initramfs_tool_of(entry->d_name);

                if (!tool || !is_installed(root, kernel_of(entry->d_name, tool)))
                        continue;
                ret->n_images++;
                any = tool;
                if (is_stale(root, entry->d_name, now, (size_t)n) ||
                    was_not_written(root, entry->d_name, tool))
                        add(ret, entry->d_name, tool);
        }
        if (any)
                add_without(root, any, ret);
        return 0;
}
