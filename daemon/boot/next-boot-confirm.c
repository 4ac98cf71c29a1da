/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ends an arming: it is taken back, confirmed, or, after a failure, disarmed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "efi-one-shot.h"
#include "model/boot-choice.h"
#include "next-boot-write.h"

/* --- cancel --- */

static RefusalKind cancel_rule(const BootState *old, const void *input, BootState *ret,
                               Refusal *refusal) {
        (void)input;
        (void)refusal;
        boot_state_cancel(old, next_boot_time(), ret);
        return REFUSAL_NONE;
}

/* Whether a block that may not be written holds a mode, or may hold one for all that is known. */
static bool is_stuck(const NextBoot *now) {
        return now->place.is_out_of_reach ||
               (now->place.unfit_path[0] != '\0' &&
                (next_boot_is_opaque(now) || now->state.mode[0] != '\0' || now->state.skip));
}

RefusalKind next_boot_cancel(const Root *root, NextBootAnswer *ret, Refusal *refusal) {
        BootState after = { 0 };
        bool is_out_of_reach;
        NextBoot now;

        *ret = (NextBootAnswer){ 0 };
        next_boot_read(root, &now);
        /* That GRUB's part cannot be had is no reason to leave the variable. */
        is_out_of_reach = now.place.is_out_of_reach && now.efi_mode[0] != '\0';
        if (is_stuck(&now) && !is_out_of_reach)
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "%s", now.place.why_not.text);
        if (next_boot_is_opaque(&now) && !is_out_of_reach)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The boot environment /%s cannot be read: %s.", now.place.path,
                                   strerror(-now.state_result));
        if (now.place.path[0] != '\0' && now.state_result == -EBADMSG &&
            next_boot_ensure(root, &now, &ret->changed, refusal) != REFUSAL_NONE)
                return refusal->kind;
        if (now.place.path[0] != '\0' && now.state_result >= 0 &&
            next_boot_write(root, &now, cancel_rule, NULL, &after, &ret->changed, refusal) !=
                    REFUSAL_NONE)
                return refusal->kind;
        ret->is_written = ret->changed;
        if (next_boot_reset_count(root, &now, &ret->changed, refusal) != REFUSAL_NONE)
                return refusal->kind;
        if (now.efi_mode[0] != '\0') {
                (void)snprintf(ret->efi_mode, sizeof(ret->efi_mode), "none");
                ret->needs_efi_write = true;
                ret->changed = true;
        }
        if (is_out_of_reach)
                (void)snprintf(ret->text, sizeof(ret->text),
                               "Taken back: the one-shot EFI variable is deleted. Whether another "
                               "mode is armed only GRUB can tell. %s",
                               now.place.why_not.text);
        else if (after.mode[0] != '\0')
                (void)snprintf(ret->text, sizeof(ret->text), "%sThe default stays: '%s'.",
                               ret->changed ? "Taken back. " : "Nothing is armed for one boot. ",
                               after.mode);
        else
                (void)snprintf(ret->text, sizeof(ret->text), "%s",
                               ret->changed ? "Taken back: default-mode decides."
                                            : "Nothing was armed: default-mode decides.");
        return REFUSAL_NONE;
}

RefusalKind next_boot_drop_stale(const Root *root, const BootPlace *place, bool *ret_dropped,
                                 Refusal *refusal) {
        NextBoot now = { .place = *place };
        BootState after;

        if (place->path[0] == '\0' || place->has_scripts || place->why_no_scripts[0] != '\0' ||
            env_file_read(root, place->path, &now.state) < 0)
                return REFUSAL_NONE;
        return next_boot_write(root, &now, cancel_rule, NULL, &after, ret_dropped, refusal);
}

/* --- confirm --- */

typedef struct Confirmation {
        const BootMarker *marker;
        const char *mode_now;
} Confirmation;

/* kexec(8) starts a kernel with the command line of the boot before, past GRUB. */
static bool is_repeated(const NextBoot *now) {
        if (now->record_is_current)
                return now->record.repeated;
        return now->record_result >= 0 && boot_is_repeated(&now->marker, &now->record.marker);
}

/* Whether the block is what confirming this boot leaves: then only the record is missing, since
 * whoever confirmed was killed between the two writes. */
static bool block_is_confirmed(const NextBoot *now, const char *mode_now) {
        const BootState *state = &now->state;

        if (!boot_kind_is_armed(now->marker.kind) || is_repeated(now) || now->state_result < 0 ||
            state->sequence <= now->marker.sequence)
                return false;
        if (now->marker.kind == BOOT_KIND_ONCE)
                return state->mode[0] == '\0' && !state->skip;
        return state->keep == BOOT_KEEP_YES && state->left == BOOT_LEFT_CONFIRMED &&
               strcmp(state->mode, mode_now) == 0;
}

static RefusalKind confirm_rule(const BootState *old, const void *input, BootState *ret,
                                Refusal *refusal) {
        const Confirmation *confirmation = input;

        if (boot_state_confirm(old, confirmation->marker, next_boot_time(), ret, refusal) !=
            REFUSAL_NONE)
                return refusal->kind;
        if (boot_kind_is_armed(confirmation->marker->kind) &&
            strcmp(old->mode, confirmation->mode_now) != 0)
                return refusal_set(
                        refusal, REFUSAL_OTHER_BOOT,
                        "This boot went to '%s', and the mode now is '%s': only the mode "
                        "that was booted can be confirmed.",
                        old->mode, confirmation->mode_now);
        return REFUSAL_NONE;
}

static RefusalKind confirm_block(const Root *root, NextBoot *now, const char *mode_now,
                                 NextBootAnswer *ret, BootState *after, Refusal *refusal) {
        Confirmation confirmation = { &now->marker, mode_now };

        if (boot_kind_is_armed(now->marker.kind)) {
                if (is_repeated(now))
                        return refusal_set(refusal, REFUSAL_OTHER_BOOT,
                                           "This kernel was not started by GRUB, but with the "
                                           "command line of the boot before (kexec): there is "
                                           "nothing to confirm.");
                if (now->state_result < 0 && !now->place.is_out_of_reach)
                        return refusal_set(refusal, REFUSAL_OTHER_BOOT,
                                           "The boot environment that this boot was armed in is "
                                           "gone or damaged: run \"vfio-modectl next --cancel\".");
        }
        if (now->place.path[0] == '\0' || !now->place.has_scripts)
                return boot_kind_is_armed(now->marker.kind)
                               ? refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "%s%s%s",
                                             now->place.path[0] ? "GRUB's configuration has lost "
                                                                  "vfio-mode's script: run "
                                                                : now->place.why_not.text,
                                             now->place.path[0] ? now->place.grub_command : "",
                                             now->place.path[0] ? "." : "")
                               : REFUSAL_NONE;
        if (now->state_result < 0)
                return REFUSAL_NONE;
        return next_boot_write(root, now, confirm_rule, &confirmation, after, &ret->changed,
                               refusal);
}

/* The count is of boots into default-mode: only such a boot ends it. */
static bool ends_count(const NextBoot *now, const Config *config, const char *mode_now) {
        return config && now->record_is_current && now->record.unconfirmed > 0 &&
               strcmp(config->default_mode, config->fallback_mode) != 0 &&
               strcmp(mode_now, config->default_mode) == 0 &&
               strcmp(mode_now, now->record.mode) == 0;
}

static RefusalKind write_confirmed(const Root *root, NextBoot *now, bool resets_count,
                                   Refusal *refusal) {
        int r;

        now->record.confirmed = true;
        if (resets_count)
                now->record.unconfirmed = 0;
        r = boot_record_write(root, &now->record);
        if (r < 0)
                return refusal_set(refusal, REFUSAL_FAILED,
                                   "The boot's record in /" BOOT_RECORD_PATH
                                   " cannot be written: %s.",
                                   strerror(-r));
        return REFUSAL_NONE;
}

static void say_confirmed(const NextBoot *now, const BootState *after, const char *mode_now,
                          NextBootAnswer *ret) {
        if (after->mode[0] != '\0' && boot_kind_is_armed(now->marker.kind))
                (void)snprintf(ret->text, sizeof(ret->text),
                               "The boot into '%s' is confirmed: it is the default from now on.",
                               mode_now);
        else
                (void)snprintf(ret->text, sizeof(ret->text), "The boot into '%s' is confirmed.",
                               mode_now);
}

RefusalKind next_boot_confirm(const Root *root, const Config *config, const char *mode_now,
                              NextBootAnswer *ret, Refusal *refusal) {
        BootState after = { 0 };
        bool resets_count, of_the_block;
        NextBoot now;

        *ret = (NextBootAnswer){ 0 };
        next_boot_read(root, &now);
        if (now.record_is_current && now.record.confirmed) {
                (void)snprintf(ret->text, sizeof(ret->text), "This boot was confirmed already.");
                return REFUSAL_NONE;
        }
        of_the_block = boot_kind_is_armed(now.marker.kind);
        resets_count = ends_count(&now, config, mode_now);
        if (block_is_confirmed(&now, mode_now))
                after = now.state;
        else if (confirm_block(root, &now, mode_now, ret, &after, refusal) != REFUSAL_NONE)
                return refusal->kind;
        if (!of_the_block && !resets_count) {
                (void)snprintf(ret->text, sizeof(ret->text), "There is nothing to confirm.");
                return REFUSAL_NONE;
        }
        if (now.record_is_current &&
            write_confirmed(root, &now, resets_count, refusal) != REFUSAL_NONE)
                return refusal->kind;
        ret->changed = true;
        say_confirmed(&now, &after, mode_now, ret);
        return REFUSAL_NONE;
}

/* --- disarm --- */

static RefusalKind disarm_rule(const BootState *old, const void *input, BootState *ret,
                               Refusal *refusal) {
        (void)input;
        (void)refusal;
        boot_state_disarm(old, next_boot_time(), ret);
        return REFUSAL_NONE;
}

/* A full count keeps default-mode away, also where there is no GRUB. */
static int fill_count(const Root *root, NextBoot *now) {
        BootRecord *record = &now->record;
        int r;

        if (!now->record_is_current) {
                *record = (BootRecord){ .time = next_boot_time(), .marker = now->marker };
                r = boot_id_read(root, record->boot_id);
                if (r < 0)
                        return r;
        }
        if (record->unconfirmed >= BOOT_UNCONFIRMED_MAX)
                return 0;
        record->unconfirmed = BOOT_UNCONFIRMED_MAX;
        return boot_record_write(root, record);
}

int next_boot_disarm(const Root *root) {
        BootState after;
        bool changed = false;
        Refusal refusal;
        NextBoot now;
        int r = 0, result;

        next_boot_read(root, &now);
        if (is_stuck(&now))
                r = -EOPNOTSUPP;
        else if (next_boot_is_opaque(&now))
                r = now.state_result;
        else if (now.place.path[0] != '\0' && now.state_result >= 0 &&
                 next_boot_write(root, &now, disarm_rule, NULL, &after, &changed, &refusal) !=
                         REFUSAL_NONE)
                r = -EIO;
        /* GRUB's default entry comes before the block. */
        if (r >= 0 && now.place.own_default[0] != '\0' && !now.place.default_is_fallback)
                r = -EOPNOTSUPP;
        /* All ways are closed, whichever of them fails. */
        result = efi_one_shot_delete(root);
        if (r >= 0)
                r = result;
        result = fill_count(root, &now);
        return r < 0 ? r : result;
}
