/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First beside GRUB's configuration, where its $prefix points; else on the ESP. Each candidate's
 * reason is kept, so that the refusal can say all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "block-device.h"
#include "boot-place.h"
#include "host/mount-info.h"
#include "model/env-block.h"

#define FILE_NAME "vfio-mode/vfio-mode.env"
#define ESP_FILE_NAME "EFI/" FILE_NAME
#define REASON_SIZE 192
#define EXT4_OPTIONS_MAX 4096

/* --- file systems --- */

static const struct {
        const char *type, *problem; /* NULL: none */
} file_systems[] = {
        { "ext2", NULL },
        { "ext3", NULL },
        { "ext4", NULL },
        { "xfs", NULL },
        { "vfat", NULL },
        { "btrfs", "is on btrfs, which never writes in place: GRUB cannot write there" },
        { "zfs", "is on ZFS, which never writes in place: GRUB cannot write there" },
        { "overlay", "is on an overlay, and GRUB does not know the file system below it" },
        { "f2fs", "is on F2FS, which never writes in place: GRUB cannot write there" },
        { "bcachefs", "is on bcachefs, which GRUB cannot write" },
};

/* What speaks against a file system; NULL: nothing. @buffer: for a text that names the type. */
static const char *type_problem(const MountInfo *mount, char buffer[static REASON_SIZE]) {
        for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++)
                if (strcmp(file_systems[i].type, mount->type) == 0)
                        return file_systems[i].problem;
        (void)snprintf(buffer, REASON_SIZE, "is on %s, a file system on which GRUB cannot write",
                       mount->type);
        return buffer;
}

/*
 * An ext4 that has data=journal from its super block (tune2fs -o journal_data) does not show it
 * among the mount's options, but two others that follow from it.
 */
static bool is_journaled(const Root *root, const MountInfo *mount) {
        _cleanup_free_ char *options = NULL;
        char name[64], path[BOOT_PATH_SIZE];

        if (mount_info_has_option(mount, "data=journal"))
                return true;
        if (strncmp(mount->type, "ext", 3) != 0 ||
            block_device_name(root, mount->device, name, sizeof(name)) < 0)
                return false;
        (void)snprintf(path, sizeof(path), "proc/fs/%s/%s/options", mount->type, name);
        if (file_read_alloc_at(root->fd, path, EXT4_OPTIONS_MAX, &options) >= 0)
                return strstr(options, "data=journal");
        return mount_info_has_option(mount, "nodelalloc") &&
               mount_info_has_option(mount, "nodioread_nolock");
}

static const char *mount_problem(const Root *root, const MountInfo *mount,
                                 char buffer[static REASON_SIZE]) {
        const char *problem = type_problem(mount, buffer);

        if (problem)
                return problem;
        if (mount_info_has_option(mount, "ro"))
                return "is on a file system that is mounted read-only";
        if (is_journaled(root, mount))
                return "is on a file system with data=journal: its journal would take back what GRUB "
                       "writes";
        if (strstr(mount->options, "rtdev="))
                return "is on an XFS with a real-time device, which GRUB does not know";
        return block_device_problem(root, mount->device);
}

/* --- candidates --- */

/* GRUB goes by directories of its own. Through a link Linux may mean another file. */
static bool has_link(const Root *root, const char *path) {
        char part[BOOT_PATH_SIZE];
        struct stat st;

        (void)snprintf(part, sizeof(part), "%s", path);
        for (char *slash = part; slash;) {
                bool is_link;

                slash = strchr(slash + 1, '/');
                if (slash)
                        *slash = '\0';
                is_link = fstatat(root->fd, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISLNK(st.st_mode);
                if (slash)
                        *slash = '/';
                if (is_link)
                        return true;
        }
        return false;
}

/* Judges a block that is there already. Returns whether it, or its absence, is fine. */
static bool file_is_fine(const Root *root, const char *path, Refusal *refusal) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = openat(root->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ELOOP) {
                (void)refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                                  "/%s is a symbolic link, which GRUB would not write through.",
                                  path);
                return false;
        }
        if (fd < 0)
                return true;
        /* One that is too short is half-made: env_file_create() finishes it. */
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < ENV_BLOCK_SIZE)
                return true;
        return boot_place_check_file(root, fd, path, refusal) == REFUSAL_NONE;
}

/*
 * Something else may be mounted right on the block's directory, where GRUB does not see it. And the
 * service has mounts of its own there (ReadWritePaths=): what it saw when it started stays above
 * whatever is mounted later.
 */
static bool is_on(const Root *root, const MountInfo *mount, const char *path, Refusal *refusal) {
        char directory[BOOT_PATH_SIZE], device[sizeof(mount->device)];
        struct stat st;

        (void)snprintf(directory, sizeof(directory), "%s", path);
        *strrchr(directory, '/') = '\0';
        if (!root->is_live || fstatat(root->fd, directory, &st, 0) < 0)
                return true;
        (void)snprintf(device, sizeof(device), "%u:%u", major(st.st_dev), minor(st.st_dev));
        if (strcmp(device, mount->device) == 0)
                return true;
        (void)refusal_set(refusal, REFUSAL_NOT_SUPPORTED,
                          "/%s is not on the file system that is mounted at %s: another lies above "
                          "it, or did when vfio-moded started (systemctl stop vfio-moded).",
                          directory, mount->point);
        return false;
}

/* Takes @path, on @mount, as the place, unless what is there already is not fit. */
static void settle(const Root *root, const MountInfo *mount, const char *path, BootPlace *ret) {
        bool is_fine =
                is_on(root, mount, path, &ret->why_not) && file_is_fine(root, path, &ret->why_not);

        (void)snprintf(is_fine ? ret->path : ret->unfit_path, sizeof(ret->path), "%s", path);
}

static bool try_grub_directory(const Root *root, const char *table, BootPlace *ret,
                               char reason[static REASON_SIZE]) {
        char path[BOOT_PATH_SIZE], buffer[REASON_SIZE];
        const char *problem;
        MountInfo mount;

        if (!mount_info_find(table, ret->grub_directory, &mount))
                problem = "is in no mounted file system";
        else if (has_link(root, ret->grub_directory))
                problem = "is reached through a symbolic link";
        else
                problem = mount_problem(root, &mount, buffer);
        if (problem) {
                (void)snprintf(reason, REASON_SIZE, "/%s %s", ret->grub_directory, problem);
                return false;
        }
        (void)snprintf(path, sizeof(path), "%s/" FILE_NAME, ret->grub_directory);
        settle(root, &mount, path, ret);
        return true;
}

/* Finds what is mounted at @point; opening it first, since it may be an automount. */
static bool find_esp(const Root *root, const char *point, MountInfo *ret) {
        _cleanup_close_ int fd = openat(root->fd, point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *table = NULL;

        return fd >= 0 && mount_info_read(root, &table) >= 0 &&
               mount_info_find(table, point, ret) && strcmp(ret->point + 1, point) == 0 &&
               strcmp(ret->type, "vfat") == 0 && strcmp(ret->root, "/") == 0;
}

/* Returns whether it is at @point; @reason is filled where there is one that cannot be used. */
static bool try_esp(const Root *root, const char *point, const GrubConfig *grub, BootPlace *ret,
                    char reason[static REASON_SIZE]) {
        char path[BOOT_PATH_SIZE], buffer[REASON_SIZE], uuid[sizeof(ret->esp_uuid)];
        const char *problem;
        MountInfo mount;

        if (!find_esp(root, point, &mount))
                return false;
        if (block_device_fat_uuid(root, mount.device, uuid, sizeof(uuid)) < 0)
                uuid[0] = '\0';
        if (grub->looks == GRUB_LOOKS_ON_ESP && strcmp(uuid, grub->esp_uuid) != 0) {
                (void)snprintf(reason, REASON_SIZE,
                               "the ESP at /%s is not the one on which GRUB looks for the boot "
                               "environment",
                               point);
                return false;
        }
        problem = mount_problem(root, &mount, buffer);
        if (!problem && uuid[0] == '\0')
                problem = "has no file system UUID by which GRUB could find it";
        if (problem) {
                (void)snprintf(reason, REASON_SIZE, "the ESP at /%s %s", point, problem);
                return true;
        }
        (void)snprintf(path, sizeof(path), "%s/" ESP_FILE_NAME, point);
        (void)snprintf(ret->esp_uuid, sizeof(ret->esp_uuid), "%s", uuid);
        settle(root, &mount, path, ret);
        return true;
}

/* GRUB looks beside its grub.cfg, where it cannot write any more; it reads what lies there. */
static void refuse_beside(const char *reason, BootPlace *ret) {
        (void)snprintf(ret->unfit_path, sizeof(ret->unfit_path), "%s/" FILE_NAME,
                       ret->grub_directory);
        (void)refusal_set(&ret->why_not, REFUSAL_NOT_SUPPORTED,
                          "GRUB looks for the boot environment beside its grub.cfg, and %s: mend "
                          "that, or run \"%s\", which looks for another place. %s",
                          reason, ret->grub_command, boot_loader_manual_route(ret->loader));
}

static void refuse_esp(const char *reason, const GrubConfig *grub, BootPlace *ret) {
        ret->is_out_of_reach = true;
        (void)refusal_set(
                &ret->why_not, REFUSAL_NOT_SUPPORTED,
                "GRUB looks for the boot environment on the ESP %s, and %s: mend that, or "
                "run \"%s\", which looks for another place. %s",
                grub->esp_uuid, reason, ret->grub_command, boot_loader_manual_route(ret->loader));
}

static void find_for_grub(const Root *root, const char *table, const GrubConfig *grub,
                          BootPlace *ret) {
        static const char *const points[] = { "boot/efi", "efi", "boot" };
        char reason[REASON_SIZE] = "", esp_reason[REASON_SIZE] = "no ESP is mounted";
        bool found =
                grub->looks != GRUB_LOOKS_ON_ESP && try_grub_directory(root, table, ret, reason);

        if (!found && grub->looks == GRUB_LOOKS_BESIDE) {
                refuse_beside(reason, ret);
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(points) && !found; i++)
                found = try_esp(root, points[i], grub, ret, esp_reason);
        if (ret->path[0] != '\0' || ret->unfit_path[0] != '\0')
                return;
        if (grub->looks == GRUB_LOOKS_ON_ESP)
                refuse_esp(esp_reason, grub, ret);
        else
                (void)refusal_set(&ret->why_not, REFUSAL_NOT_SUPPORTED, "%s, and %s. %s", reason,
                                  esp_reason, boot_loader_manual_route(ret->loader));
}

/* @why_not: what else speaks against the grub.cfg that is being written; NULL: nothing */
static int find_place(const Root *root, bool is_written_anew, const char *why_not, BootPlace *ret) {
        _cleanup_free_ char *table = NULL;
        GrubConfig grub;
        int r;

        *ret = (BootPlace){ 0 };
        r = grub_config_find(root, &grub);
        if (r < 0)
                return r;
        if (is_written_anew) {
                grub.is_bls = false;
                grub.looks = GRUB_LOOKS_NOWHERE;
        }
        ret->loader = boot_loader_find(root, &grub);
        ret->has_scripts = grub.has_scripts;
        ret->grub_command = grub_config_command(root, &grub);
        (void)snprintf(ret->why_no_scripts, sizeof(ret->why_no_scripts), "%s", grub.why_no_scripts);
        (void)snprintf(ret->grub_directory, sizeof(ret->grub_directory), "%s", grub.directory);
        if (ret->loader == BOOT_LOADER_GRUB) {
                (void)memcpy(ret->own_default, grub.own_default, sizeof(ret->own_default));
                ret->default_is_fallback = grub.default_is_fallback;
        }
        /* After GRUB's directory was opened, which may be an automount. */
        r = mount_info_read(root, &table);
        if (r < 0) {
                (void)refusal_set(&ret->why_not, REFUSAL_NOT_SUPPORTED,
                                  "/proc/self/mountinfo, which says where GRUB could write, cannot "
                                  "be read: %s.",
                                  strerror(-r));
                return r;
        }
        if (why_not)
                (void)refusal_set(&ret->why_not, REFUSAL_NOT_SUPPORTED, "%s", why_not);
        else if (ret->loader == BOOT_LOADER_GRUB)
                find_for_grub(root, table, &grub, ret);
        else
                (void)refusal_set(&ret->why_not, REFUSAL_NOT_SUPPORTED,
                                  "This machine boots by %s, which vfio-mode cannot tell the next "
                                  "boot's mode. %s",
                                  boot_loader_name(ret->loader),
                                  boot_loader_manual_route(ret->loader));
        return 0;
}

int boot_place_find(const Root *root, BootPlace *ret) {
        return find_place(root, false, NULL, ret);
}

int boot_place_find_for_grub(const Root *root, BootPlace *ret) {
        return find_place(root, true, grub_why_not_carried(), ret);
}
