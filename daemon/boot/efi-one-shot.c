/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * efivarfs takes a variable by a single write(2) and, since firmware has died of deleted variables,
 * makes those that it does not know immutable.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "efi-one-shot.h"
#include "host/mount-info.h"

#define PATH EFI_VARIABLES_DIR "/" EFI_ONE_SHOT_NAME
#define ATTRIBUTES_SIZE 4

/* EFI_VARIABLE_NON_VOLATILE, _BOOTSERVICE_ACCESS, _RUNTIME_ACCESS */
static const char attributes[ATTRIBUTES_SIZE] = { 7, 0, 0, 0 };

bool efi_is_available(const Root *root) {
        _cleanup_free_ char *table = NULL;
        MountInfo mount;

        /* Where the firmware takes no variables at run time, the kernel mounts it read-only. */
        return mount_info_read(root, &table) >= 0 &&
               mount_info_find(table, EFI_VARIABLES_DIR, &mount) &&
               strcmp(mount.type, "efivarfs") == 0 && !mount_info_has_option(&mount, "ro");
}

int efi_one_shot_read(const Root *root, char ret[static CONFIG_NAME_SIZE]) {
        char bytes[ATTRIBUTES_SIZE + CONFIG_NAME_SIZE];
        ssize_t n = file_read_at(root->fd, PATH, bytes, sizeof(bytes));

        if (n == -ENOENT)
                return 0;
        if (n == -EFBIG)
                return -EBADMSG;
        if (n < 0)
                return (int)n;
        if (n <= ATTRIBUTES_SIZE ||
            strlen(bytes + ATTRIBUTES_SIZE) != (size_t)n - ATTRIBUTES_SIZE ||
            !config_name_is_valid(bytes + ATTRIBUTES_SIZE))
                return -EBADMSG;
        (void)snprintf(ret, CONFIG_NAME_SIZE, "%s", bytes + ATTRIBUTES_SIZE);
        return 1;
}

/* Lets the file be deleted. Plain files of a test's tree may have no flags. */
static int make_mutable(const Root *root) {
        _cleanup_close_ int fd = openat(root->fd, PATH, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int flags;

        if (fd < 0)
                return -errno;
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_IMMUTABLE_FL))
                return 0;
        flags &= ~FS_IMMUTABLE_FL;
        return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

int efi_one_shot_delete(const Root *root) {
        int r = make_mutable(root);

        if (r >= 0 && unlinkat(root->fd, PATH, 0) < 0)
                r = -errno;
        return r == -ENOENT ? 0 : r;
}

static int write_variable(const Root *root, const char *mode) {
        _cleanup_close_ int fd = -1;
        char bytes[ATTRIBUTES_SIZE + CONFIG_NAME_SIZE];
        size_t size = ATTRIBUTES_SIZE + strlen(mode);
        ssize_t n;

        (void)memcpy(bytes, attributes, ATTRIBUTES_SIZE);
        (void)memcpy(bytes + ATTRIBUTES_SIZE, mode, size - ATTRIBUTES_SIZE);
        fd = openat(root->fd, PATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, bytes, size);
        if (n < 0)
                return -errno;
        return (size_t)n == size ? 0 : -EIO;
}

int efi_one_shot_write(const Root *root, const char *mode) {
        char there[CONFIG_NAME_SIZE];
        int r;

        if (!config_name_is_valid(mode))
                return -EINVAL;
        if (efi_one_shot_read(root, there) > 0 && strcmp(there, mode) == 0)
                return 0;
        r = efi_one_shot_delete(root);
        if (r < 0)
                return r;
        r = write_variable(root, mode);
        if (r < 0) {
                (void)unlinkat(root->fd, PATH, 0); /* one without data is none */
                return r;
        }
        return efi_one_shot_read(root, there) > 0 && strcmp(there, mode) == 0 ? 0 : -EIO;
}
