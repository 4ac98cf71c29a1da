/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of boot loaders, how each is recognised, and what else differs between
 * distributions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "boot-loader.h"
#include "efi-one-shot.h"

#define LOADER_GUID "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define LOADER_INFO EFI_VARIABLES_DIR "/LoaderInfo" LOADER_GUID
#define STUB_INFO EFI_VARIABLES_DIR "/StubInfo" LOADER_GUID
#define PROXMOX_ESPS "etc/kernel/proxmox-boot-uuids"

#define BY_HAND "By hand, for one boot: "

static const struct {
        const char *name, *route;
} loaders[_BOOT_LOADER_MAX] = {
        [BOOT_LOADER_UNKNOWN] = { "an unknown boot loader", BY_HAND
                                  "add vfio_mode=MODE and the mode's cmdline to the kernel's "
                                  "command line in the boot loader." },
        [BOOT_LOADER_GRUB] = { "GRUB", BY_HAND "press e in GRUB's menu, and add vfio_mode=MODE and "
                                               "the mode's cmdline to the line that begins with "
                                               "linux." },
        [BOOT_LOADER_GRUB_BLS] = { "GRUB with entry files",
                                   BY_HAND "press e in GRUB's menu, and add vfio_mode=MODE and the "
                                           "mode's cmdline to the line that begins with linux; for "
                                           "good, grubby --update-kernel=DEFAULT --args=..." },
        [BOOT_LOADER_PROXMOX_TOOL] = { "proxmox-boot-tool", BY_HAND
                                       "press e in the boot menu, and add vfio_mode=MODE and "
                                       "the mode's cmdline; for good, in "
                                       "/etc/kernel/cmdline, or where GRUB has the menu in "
                                       "/etc/default/grub, and run proxmox-boot-tool "
                                       "refresh." },
        [BOOT_LOADER_SYSTEMD_BOOT] = { "systemd-boot", BY_HAND
                                       "press e in the boot menu, and add vfio_mode=MODE and "
                                       "the mode's cmdline; or make an entry with such "
                                       "options, and pick it with bootctl set-oneshot." },
        [BOOT_LOADER_UKI] = { "a unified kernel image", BY_HAND
                              "build an image whose command line has vfio_mode=MODE and the "
                              "mode's cmdline, and pick it with efibootmgr --bootnext." },
};

const char *boot_loader_name(BootLoader loader) {
        return loaders[loader].name;
}

const char *boot_loader_manual_route(BootLoader loader) {
        return loaders[loader].route;
}

const char *boot_loader_words(BootLoader loader) {
        static const char *const words[_BOOT_LOADER_MAX] = {
                [BOOT_LOADER_GRUB_BLS] =
                        "each entry by grubby --update-kernel=ALL --remove-args=...",
                [BOOT_LOADER_PROXMOX_TOOL] =
                        "/etc/kernel/cmdline, or where GRUB has the menu out of "
                        "/etc/default/grub, then: proxmox-boot-tool refresh",
        };

        return words[loader] ? words[loader] : "the boot loader's configuration";
}

/* --- GRUB --- */

static bool exists(const Root *root, const char *path) {
        return faccessat(root->fd, path, F_OK, 0) == 0;
}

/* The first line is enough: it names what is missing. */
static void read_refusal(const char *text, GrubConfig *ret) {
        const char *reason = strstr(text, GRUB_SCRIPT_REFUSAL);
        size_t length;

        if (!reason)
                return;
        reason += strlen(GRUB_SCRIPT_REFUSAL);
        length = strcspn(reason, "\n");
        if (length > 0 && reason[length - 1] == '.')
                length--;
        (void)snprintf(ret->why_no_scripts, sizeof(ret->why_no_scripts), "%.*s", (int)length,
                       reason);
}

/* As 09_vfio-mode writes it, right behind its mark. */
static void read_looks(const char *script, GrubConfig *ret) {
        static const char beside[] = "set vfio_file=\"${prefix}/", on_esp[] = "--set=vfio_root ";
        const char *uuid = strstr(script, on_esp);

        if (uuid) {
                uuid += sizeof(on_esp) - 1;
                ret->looks = GRUB_LOOKS_ON_ESP;
                (void)snprintf(ret->esp_uuid, sizeof(ret->esp_uuid), "%.*s",
                               (int)strcspn(uuid, " \n"), uuid);
        } else if (strstr(script, beside)) {
                ret->looks = GRUB_LOOKS_BESIDE;
        }
}

/* What cannot be read, or is longer than any grub.cfg, has no script of ours for all we know. */
static int read_grub_config(const Root *root, const char *directory, GrubConfig *ret) {
        _cleanup_free_ char *text = NULL;
        char path[BOOT_PATH_SIZE];
        const char *script;
        BootMenu menu;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/grub.cfg", directory);
        if (!exists(root, path))
                return 0;
        n = file_read_alloc_at(root->fd, path, GRUB_CFG_MAX, &text);
        if (n == -ENOMEM)
                return (int)n;
        (void)snprintf(ret->directory, sizeof(ret->directory), "%s", directory);
        if (n < 0)
                return 1;
        script = strstr(text, GRUB_SCRIPT_MARK);
        if (script) {
                ret->has_scripts = true;
                read_looks(script, ret);
                boot_menu_parse(text, &menu);
                (void)memcpy(ret->own_default, menu.own_default, sizeof(ret->own_default));
                ret->default_is_fallback = menu.default_is_fallback;
                return 1;
        }
        read_refusal(text, ret);
        /* Of a grub.cfg without our script. Where that was run grub_why_no_entries() has judged,
         * before there was a grub.cfg, and its word counts. */
        ret->is_bls = strstr(text, "blscfg") && exists(root, "boot/loader/entries");
        return 1;
}

int grub_config_find(const Root *root, GrubConfig *ret) {
        static const char *const directories[] = { "boot/grub", "boot/grub2" };
        int r = 0;

        *ret = (GrubConfig){ 0 };
        for (size_t i = 0; i < ARRAY_SIZE(directories) && r == 0; i++)
                r = read_grub_config(root, directories[i], ret);
        return r < 0 ? r : 0;
}

const char *grub_config_command(const Root *root, const GrubConfig *grub) {
        if (exists(root, "usr/sbin/update-grub"))
                return "update-grub";
        return strcmp(grub->directory, "boot/grub2") == 0 ? "grub2-mkconfig -o /boot/grub2/grub.cfg"
                                                          : "grub-mkconfig -o /boot/grub/grub.cfg";
}

/* --- while grub.cfg is written --- */

static bool has_our_variable(const char *name) {
        const char *value = getenv(name);

        return value && (strstr(value, "$vfio_args") || strstr(value, "${vfio_args}"));
}

/* With GRUB_ENABLE_BLSCFG 10_linux makes no entries, and what is in a variable would not be split
 * into words but parsed as a script. */
const char *grub_why_no_entries(void) {
        const char *value = getenv("GRUB_ENABLE_BLSCFG");

        return value && strcmp(value, "true") == 0 ? "the boot menu's entries are files (Boot "
                                                     "Loader Specification) and carry no mode"
                                                   : NULL;
}

/* Debian and its kin source /etc/default/grub.d; elsewhere a line in /etc/default/grub has to. */
const char *grub_why_not_carried(void) {
        const char *reason = grub_why_no_entries();

        if (!reason && !has_our_variable("GRUB_CMDLINE_LINUX") &&
            !has_our_variable("GRUB_CMDLINE_LINUX_DEFAULT"))
                reason = "$vfio_args is not on the kernel's command line: put the line "
                         "'. /etc/default/grub.d/vfio-mode.cfg' at the end of /etc/default/grub";
        return reason;
}

/* --- which one --- */

/* A variable's ASCII text: four bytes of attributes, then UTF-16. "" where there is none. */
static void read_efi_text(const Root *root, const char *path, char *text, size_t size) {
        char bytes[1024];
        ssize_t n = file_read_at(root->fd, path, bytes, sizeof(bytes));
        size_t length = 0;

        for (ssize_t i = 4; i + 1 < n && length + 1 < size && bytes[i]; i += 2)
                text[length++] = bytes[i + 1] ? '?' : bytes[i];
        text[length] = '\0';
}

static bool has_proxmox_esps(const Root *root) {
        struct stat st;

        return fstatat(root->fd, PROXMOX_ESPS, &st, 0) == 0 && st.st_size > 0;
}

BootLoader boot_loader_find(const Root *root, const GrubConfig *grub) {
        char info[128];

        if (has_proxmox_esps(root))
                return BOOT_LOADER_PROXMOX_TOOL;
        read_efi_text(root, LOADER_INFO, info, sizeof(info));
        if (strncmp(info, "systemd-boot", 12) == 0)
                return BOOT_LOADER_SYSTEMD_BOOT;
        if (exists(root, STUB_INFO))
                return BOOT_LOADER_UKI;
        if (grub->directory[0] == '\0')
                return BOOT_LOADER_UNKNOWN;
        return grub->is_bls ? BOOT_LOADER_GRUB_BLS : BOOT_LOADER_GRUB;
}
