/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known, and what follows from it. The order in which the next boot's mode is decided is
 * model/boot-choice's, seen from the boot before.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "efi-one-shot.h"
#include "env-file.h"
#include "model/kernel-cmdline.h"
#include "next-boot.h"

#define DEFAULT_FALLBACK "host"

const char *next_boot_protection_name(NextBootProtection protection) {
        static const char *const names[] = {
                [NEXT_BOOT_PROTECTION_NONE] = "none",
                [NEXT_BOOT_PROTECTION_GRUB] = "grub",
                [NEXT_BOOT_PROTECTION_EFI] = "efi",
        };

        return names[protection];
}

/* --- reading --- */

static void read_marker(const Root *root, BootMarker *ret) {
        char cmdline[KERNEL_CMDLINE_MAX];

        if (file_read_line_at(root->fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0 ||
            boot_marker_find(cmdline, ret) < 0)
                *ret = (BootMarker){ 0 };
}

static void read_records(const Root *root, NextBoot *ret) {
        char boot_id[BOOT_ID_SIZE];

        ret->record_result = boot_record_read(root, BOOT_RECORD_PATH, &ret->record);
        ret->record_is_current = ret->record_result >= 0 && boot_id_read(root, boot_id) >= 0 &&
                                 strcmp(boot_id, ret->record.boot_id) == 0;
        if (ret->record_is_current) {
                ret->previous_result =
                        boot_record_read(root, BOOT_RECORD_PREVIOUS_PATH, &ret->previous);
        } else {
                ret->previous = ret->record;
                ret->previous_result = ret->record_result;
        }
}

/* This boot went by our script, and its grub.cfg is not there: /boot is not mounted, or was another
 * system's. What is armed GRUB goes by all the same. Where another loader has booted, the marker is
 * one that was copied out of a command line of GRUB's. */
static void look_for_grub(const BootMarker *marker, BootPlace *place) {
        if (place->grub_directory[0] != '\0' || place->loader != BOOT_LOADER_UNKNOWN ||
            marker->kind == BOOT_KIND_NONE)
                return;
        place->has_scripts = true;
        place->is_out_of_reach = true;
        (void)refusal_set(&place->why_not, REFUSAL_NOT_SUPPORTED,
                          "GRUB has booted by a grub.cfg that is not to be found now: mount the "
                          "file system that it is on (/boot), and try again. %s",
                          boot_loader_manual_route(BOOT_LOADER_GRUB));
}

void next_boot_read(const Root *root, NextBoot *ret) {
        const char *path;

        *ret = (NextBoot){ 0 };
        ret->place_result = boot_place_find(root, &ret->place);
        read_marker(root, &ret->marker);
        if (ret->place_result >= 0)
                look_for_grub(&ret->marker, &ret->place);
        path = ret->place.path[0] ? ret->place.path : ret->place.unfit_path;
        if (path[0])
                ret->state_result = env_file_read(root, path, &ret->state);
        else
                ret->state_result = ret->place.is_out_of_reach ? -ENODEV : -ENOENT;
        ret->efi_available = efi_is_available(root);
        if (efi_one_shot_read(root, ret->efi_mode) <= 0)
                ret->efi_mode[0] = '\0';
        read_records(root, ret);
}

size_t next_boot_cmdline_length(const Root *root, const NextBoot *now, const char *arguments) {
        char running[KERNEL_CMDLINE_MAX];

        if (file_read_line_at(root->fd, "proc/cmdline", running, sizeof(running)) < 0)
                return 0;
        return kernel_cmdline_foreign_length(running, now->state.arguments) + strlen(arguments) +
               KERNEL_CMDLINE_WORDS_MAX;
}

const char *next_boot_not_run(const NextBoot *now) {
        const BootState *state = &now->state;

        if (now->state_result < 0 || state->keep == BOOT_KEEP_YES || !now->record_is_current)
                return "";
        /* The sequence is the time of arming, which may have been since the boot. */
        if (state->sequence > now->record.time || state->sequence == now->marker.sequence)
                return "";
        return state->mode;
}

bool next_boot_is_opaque(const NextBoot *now) {
        return now->state_result < 0 && now->state_result != -ENOENT &&
               (now->state_result != -EBADMSG || now->place.unfit_path[0] != '\0');
}

/* --- the outlook --- */

static void _printf_(4, 5)
        decide(NextBootOutlook *ret, const char *mode, const char *kind, const char *format, ...) {
        va_list arguments;

        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", mode);
        ret->kind = kind;
        va_start(arguments, format);
        (void)vsnprintf(ret->reason, sizeof(ret->reason), format, arguments);
        va_end(arguments);
}

static const char *fallback_of(const Config *config) {
        return config ? config->fallback_mode : DEFAULT_FALLBACK;
}

/* An entry that names its own mode, which comes before all that is armed. */
static bool entry_decides(const NextBoot *now, const Config *config, NextBootOutlook *ret) {
        const BootPlace *place = &now->place;
        const char *mode = place->default_is_fallback ? fallback_of(config) : "";

        if (place->own_default[0] == '\0')
                return false;
        decide(ret, mode, "menu",
               "GRUB's default entry '%s' is for one mode, whatever is armed; see GRUB_DEFAULT in "
               "/etc/default/grub",
               place->own_default);
        return true;
}

/* A mode is armed, and GRUB will go there. */
static void decide_armed(const NextBoot *now, const Config *config, BootKind kind,
                         NextBootOutlook *ret) {
        const char *mode = now->state.mode;
        char reason[128];

        if (kind == BOOT_KIND_ONCE)
                (void)snprintf(reason, sizeof(reason), "one boot into '%s' is armed", mode);
        else
                (void)snprintf(reason, sizeof(reason), "'%s' is the default%s", mode,
                               kind == BOOT_KIND_TRIAL ? ", on trial" : "");
        if (config && !config_find_mode(config, mode)) {
                decide(ret, config->fallback_mode, boot_kind_name(kind),
                       "%s, which the configuration does not have", reason);
                return;
        }
        decide(ret, mode, boot_kind_name(kind), "%s", reason);
        ret->arguments = now->state.arguments;
        ret->tries_left = now->state.left;
        if (boot_marker_proves_grub(&now->marker))
                ret->protection = NEXT_BOOT_PROTECTION_GRUB;
}

/* GRUB reads a block of any size, and through links: it may find a mode where we do not. */
static void decide_unknown(const NextBoot *now, NextBootOutlook *ret) {
        if (now->place.path[0] == '\0')
                decide(ret, "", "unknown", "only GRUB can tell. %s", now->place.why_not.text);
        else
                decide(ret, "", "unknown",
                       "the boot environment /%s, which GRUB goes by, cannot be read: %s",
                       now->place.path, strerror(-now->state_result));
}

/* Returns whether GRUB will name a mode, or may. Without our script it reads no block. */
static bool block_decides(const NextBoot *now, const Config *config, NextBootOutlook *ret) {
        bool can_write = now->marker.kind != BOOT_KIND_UNWRITABLE;
        bool is_damaged = now->state_result == -EBADMSG;
        const char *fallback = fallback_of(config);
        char mode[CONFIG_NAME_SIZE];
        BootKind kind;

        if (!now->place.has_scripts || now->state_result == -ENOENT)
                return false;
        if (next_boot_is_opaque(now)) {
                decide_unknown(now, ret);
                return true;
        }
        kind = boot_state_boot(is_damaged ? NULL : &now->state, can_write, mode, NULL);
        if (mode[0] == '\0')
                return false;
        switch (kind) {
        case BOOT_KIND_ONCE:
        case BOOT_KIND_TRIAL:
        case BOOT_KIND_DEFAULT:
                decide_armed(now, config, kind, ret);
                break;
        case BOOT_KIND_SKIPPED:
                decide(ret, fallback, "skip", "one boot into '%s' was asked for", fallback);
                break;
        case BOOT_KIND_EXPIRED:
                decide(ret, fallback, "expired", "the boots that were left of '%s' are used up",
                       now->state.mode);
                break;
        case BOOT_KIND_DAMAGED:
                decide(ret, fallback, "damaged", "GRUB's boot environment is damaged");
                break;
        default:
                decide(ret, fallback, "unwritable",
                       "GRUB could not write its boot environment, and boots no armed mode");
                break;
        }
        return true;
}

static bool efi_decides(const NextBoot *now, const Config *config, NextBootOutlook *ret) {
        if (now->efi_mode[0] == '\0')
                return false;
        if (config && !config_find_mode(config, now->efi_mode)) {
                decide(ret, config->fallback_mode, "efi",
                       "the one-shot EFI variable names '%s', which the configuration does not have",
                       now->efi_mode);
                return true;
        }
        decide(ret, now->efi_mode, "efi", "the one-shot EFI variable names '%s'", now->efi_mode);
        ret->protection = NEXT_BOOT_PROTECTION_EFI;
        return true;
}

static void decide_default(const NextBoot *now, const Config *config, NextBootOutlook *ret) {
        const char *mode = config ? config->default_mode : DEFAULT_FALLBACK;

        if (!config)
                decide(ret, mode, "config", "there is no configuration that can be used");
        else if (strcmp(mode, config->fallback_mode) == 0)
                decide(ret, mode, "config", "default-mode of the configuration");
        else if (now->record_result < 0 && now->record_result != -ENOENT)
                decide(ret, config->fallback_mode, "count",
                       "unconfirmed boots into default-mode '%s' cannot be counted", mode);
        else if (now->record_result >= 0 && now->record.unconfirmed >= BOOT_UNCONFIRMED_MAX)
                decide(ret, config->fallback_mode, "count",
                       "the last %u boots into default-mode '%s' were not confirmed",
                       now->record.unconfirmed, mode);
        else
                decide(ret, mode, "config", "default-mode of the configuration");
}

void next_boot_outlook(const NextBoot *now, const Config *config, NextBootOutlook *ret) {
        *ret = (NextBootOutlook){ .arguments = "" };
        if (!entry_decides(now, config, ret) && !block_decides(now, config, ret) &&
            !efi_decides(now, config, ret))
                decide_default(now, config, ret);
}
