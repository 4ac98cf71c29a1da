/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verbs for what carries a mode to the next boot: the one-shot EFI variable, and what GRUB's
 * scripts ask when they write grub.cfg. The latter print for the scripts on stdout, also a refusal
 * that belongs into grub.cfg; and for people on stderr.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "boot/boot-place.h"
#include "boot/efi-one-shot.h"
#include "boot/env-file.h"
#include "boot/next-boot.h"
#include "host/config-load.h"
#include "model/boot-state.h"
#include "model/kernel-cmdline.h"
#include "notify.h"
#include "verbs.h"

#define NO_MODE "none"

static RefusalKind load_config(const Root *root, Config *ret) {
        _cleanup_(config_files_done) ConfigFiles files = { 0 };
        _cleanup_free_ ConfigErrors *errors = calloc(1, sizeof(*errors));
        char text[256];

        if (!errors)
                return REFUSAL_FAILED;
        if (config_load(root, &files, ret, errors) >= 0)
                return REFUSAL_NONE;
        log_error("%s", config_errors_format(errors, text, sizeof(text)));
        return REFUSAL_CONFIG_INVALID;
}

/* --- one-shot --- */

static RefusalKind check_one_shot(const Root *root, const char *mode) {
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        const ConfigMode *found;
        RefusalKind kind;

        if (!config)
                return REFUSAL_FAILED;
        kind = load_config(root, config);
        if (kind != REFUSAL_NONE)
                return kind;
        found = config_find_mode(config, mode);
        if (!found) {
                log_error("The configuration has no mode '%s'.", mode);
                return REFUSAL_UNKNOWN_MODE;
        }
        if (found->cmdline[0] != '\0') {
                log_error("Mode '%s' has kernel arguments, which an EFI variable cannot carry.",
                          mode);
                return REFUSAL_NOT_SUPPORTED;
        }
        return REFUSAL_NONE;
}

RefusalKind apply_one_shot(const Root *root, const char *mode) {
        RefusalKind kind;
        int r;

        if (strcmp(mode, NO_MODE) == 0) {
                r = efi_one_shot_delete(root);
        } else {
                kind = check_one_shot(root, mode);
                if (kind != REFUSAL_NONE)
                        return kind;
                r = efi_one_shot_write(root, mode);
        }
        if (r < 0) {
                (void)log_error_errno(r, "The one-shot EFI variable cannot be written: %m");
                notify_status("The one-shot EFI variable could not be written.");
                return REFUSAL_FAILED;
        }
        if (strcmp(mode, NO_MODE) == 0)
                log_info("No one-shot EFI variable names a mode for the next boot.");
        else
                log_info("The one-shot EFI variable names '%s' for the next boot.", mode);
        return REFUSAL_NONE;
}

/* --- for GRUB's scripts --- */

/* The block's path as GRUB has to be told it: from its prefix, or from the ESP's root. */
static const char *path_for_grub(const BootPlace *place) {
        size_t length = strlen(place->grub_directory);
        const char *on_esp;

        if (place->esp_uuid[0] != '\0') {
                on_esp = strstr(place->path, "EFI/vfio-mode/");
                return on_esp;
        }
        return strncmp(place->path, place->grub_directory, length) == 0 &&
                               place->path[length] == '/'
                       ? place->path + length + 1
                       : NULL;
}

/* The grub.cfg that is being replaced is still there. */
static void drop_stale(const Root *root, const BootPlace *place) {
        Refusal refusal = { 0 };
        bool dropped = false;

        if (next_boot_drop_stale(root, place, &dropped, &refusal) != REFUSAL_NONE)
                log_warning("%s", refusal.text);
        else if (dropped)
                log_warning("What was armed in /%s is taken back: GRUB's configuration was without "
                            "vfio-mode's script since.",
                            place->path);
}

static int put_state(BootState *state, bool damaged, void *userdata) {
        const BootState *before = userdata;

        (void)damaged;
        *state = *before;
        return 1;
}

/* GRUB goes by another block until now: what is armed there goes along, and what the new place may
 * have is older. Until the new grub.cfg is in place nobody reads the copy, and should that fail,
 * the next is made of the same block. What cannot be read is nothing armed. Returns 1; 0 where it
 * is the same place; the error of writing, where the new place keeps what it has: no grub.cfg may
 * read that. */
static int carry_along(const Root *root, const BootPlace *place, Refusal *refusal) {
        _cleanup_free_ NextBoot *now = calloc(1, sizeof(*now));
        const char *path;
        int r;

        if (!now)
                return -ENOMEM;
        next_boot_read(root, now);
        path = now->place.path[0] != '\0' ? now->place.path : now->place.unfit_path;
        if (!now->place.has_scripts || strcmp(path, place->path) == 0 ||
            (path[0] == '\0' && !now->place.is_out_of_reach))
                return 0;
        if (now->state_result < 0)
                now->state = (BootState){ .sequence = (uint64_t)time(NULL), .left = 1 };
        r = env_file_update(root, place->path, put_state, &now->state, refusal);
        if (r < 0)
                return r;
        if (now->state_result < 0 && now->state_result != -ENOENT)
                log_warning("Whether a mode was armed until now is not known; in /%s none is.",
                            place->path);
        else if (now->state.mode[0] != '\0')
                log_info("What was armed in /%s is taken along to /%s.", path, place->path);
        return 1;
}

RefusalKind apply_grub_environment(const Root *root) {
        BootPlace place = { 0 };
        Refusal refusal = { 0 };
        const char *path;
        int r, carried;

        r = boot_place_find_for_grub(root, &place);
        if (r < 0) {
                (void)printf("How this machine boots cannot be found out: %s.\n", strerror(-r));
                return REFUSAL_FAILED;
        }
        path = place.path[0] == '\0' ? NULL : path_for_grub(&place);
        if (!path) {
                (void)printf("%s\n", place.why_not.text);
                return REFUSAL_NOT_SUPPORTED;
        }
        r = env_file_create(root, place.path);
        if (r < 0) {
                (void)printf("The boot environment /%s cannot be made: %s.\n", place.path,
                             strerror(-r));
                return REFUSAL_FAILED;
        }
        if (r > 0)
                log_info("The boot environment /%s was made.", place.path);
        carried = carry_along(root, &place, &refusal);
        if (carried < 0) {
                if (carried == -EOPNOTSUPP)
                        (void)printf("%s\n", refusal.text);
                else
                        (void)printf("The boot environment /%s cannot be written: %s.\n",
                                     place.path, strerror(-carried));
                return REFUSAL_FAILED;
        }
        if (carried == 0 && r == 0)
                drop_stale(root, &place);
        if (place.esp_uuid[0] != '\0')
                (void)printf("esp %s %s\n", place.esp_uuid, path);
        else
                (void)printf("prefix %s\n", path);
        return REFUSAL_NONE;
}

RefusalKind apply_grub_modes(const Root *root) {
        _cleanup_free_ Config *config = calloc(1, sizeof(*config));
        const char *why_not = grub_why_no_entries();
        RefusalKind kind;

        if (why_not) {
                (void)printf("%s\n", why_not);
                return REFUSAL_NOT_SUPPORTED;
        }
        kind = config ? load_config(root, config) : REFUSAL_FAILED;
        if (kind != REFUSAL_NONE)
                return kind;
        for (size_t i = 0; i < config->n_modes; i++) {
                const ConfigMode *mode = &config->modes[i];
                char arguments[BOOT_ARGUMENTS_SIZE];

                if (strcmp(mode->name, config->fallback_mode) != 0 &&
                    kernel_cmdline_arguments(mode, arguments, sizeof(arguments)) >= 0)
                        (void)printf("%s\t%s\n", mode->name, arguments);
        }
        return REFUSAL_NONE;
}
