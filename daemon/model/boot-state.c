/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the boot environment means and what may become of it. Knows neither where the block lies nor
 * what a mode is; which boot is the running one its caller says by a marker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "boot-state.h"
#include "kernel-cmdline.h"

#define EXPIRED "-"

/* One character, so that GRUB changes one byte and a torn write of GRUB's is the old block or the
 * new. */
_Static_assert(BOOT_LEFT_CONFIRMED <= 9 && BOOT_TRIES_MAX <= BOOT_LEFT_CONFIRMED,
               "the boots left are one digit");

bool boot_state_equal(const BootState *a, const BootState *b) {
        return a->sequence == b->sequence && strcmp(a->mode, b->mode) == 0 &&
               strcmp(a->arguments, b->arguments) == 0 && a->left == b->left &&
               a->expired == b->expired && a->keep == b->keep && a->skip == b->skip;
}

/* --- the block --- */

/* A missing variable is an empty one: so it is to GRUB. */
static int get_text(const EnvBlock *block, const char *name, char *buffer, size_t size) {
        int r = env_block_get(block, name, buffer, size);

        if (r == -ENOENT) {
                buffer[0] = '\0';
                return 0;
        }
        return r < 0 ? -EBADMSG : 0;
}

static int get_digit(const EnvBlock *block, const char *name, unsigned max, unsigned *ret) {
        char text[2];

        if (get_text(block, name, text, sizeof(text)) < 0 || text[0] < '0' ||
            text[0] > (char)('0' + max))
                return -EBADMSG;
        *ret = (unsigned)(text[0] - '0');
        return 0;
}

static int get_left(const EnvBlock *block, BootState *ret) {
        char text[2];

        ret->expired =
                get_text(block, "vfio_left", text, sizeof(text)) >= 0 && strcmp(text, EXPIRED) == 0;
        return ret->expired ? 0 : get_digit(block, "vfio_left", BOOT_LEFT_CONFIRMED, &ret->left);
}

static int get_sequence(const EnvBlock *block, uint64_t *ret) {
        char first[32], last[32];

        if (get_text(block, "vfio_seq", first, sizeof(first)) < 0 ||
            get_text(block, "vfio_end", last, sizeof(last)) < 0 || strcmp(first, last) != 0)
                return -EBADMSG;
        return parse_decimal(first, UINT64_MAX, ret) < 0 ? -EBADMSG : 0;
}

static bool is_printable(const char *text) {
        for (; *text; text++)
                if (*text < ' ' || *text > '~')
                        return false;
        return true;
}

int boot_state_parse(const EnvBlock *block, BootState *ret) {
        BootState state = { 0 };
        unsigned keep, skip;

        if (env_block_check(block->bytes, sizeof(block->bytes)) < 0 ||
            !env_block_is_writable(block) || get_sequence(block, &state.sequence) < 0 ||
            get_text(block, "vfio_mode", state.mode, sizeof(state.mode)) < 0 ||
            get_left(block, &state) < 0 ||
            get_digit(block, "vfio_keep", BOOT_KEEP_YES, &keep) < 0 ||
            get_digit(block, "vfio_skip", 1, &skip) < 0 ||
            get_text(block, "vfio_args", state.arguments, sizeof(state.arguments)) < 0)
                return -EBADMSG;
        if ((state.mode[0] != '\0' && !config_name_is_valid(state.mode)) ||
            !is_printable(state.arguments))
                return -EBADMSG;
        state.keep = (BootKeep)keep;
        state.skip = skip;
        *ret = state;
        return 0;
}

static int set_number(EnvBlock *block, const char *name, uint64_t number) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
        return env_block_set(block, name, text);
}

int boot_state_format(const BootState *state, EnvBlock *ret) {
        EnvBlock block;

        env_block_init(&block);
        if (set_number(&block, "vfio_seq", state->sequence) < 0 ||
            env_block_set(&block, "vfio_mode", state->mode) < 0 ||
            (state->expired ? env_block_set(&block, "vfio_left", EXPIRED)
                            : set_number(&block, "vfio_left", state->left)) < 0 ||
            set_number(&block, "vfio_keep", state->keep) < 0 ||
            set_number(&block, "vfio_skip", state->skip) < 0 ||
            env_block_set(&block, "vfio_args", state->arguments) < 0 ||
            set_number(&block, "vfio_end", state->sequence) < 0)
                return -ENOSPC;
        *ret = block;
        return 0;
}

/* --- what GRUB does --- */

static void choose(char ret_mode[static CONFIG_NAME_SIZE], const char *mode) {
        (void)snprintf(ret_mode, CONFIG_NAME_SIZE, "%s", mode);
}

/* Nothing is armed. One write is tried all the same, where the OS asks for it by a boot left. */
static BootKind boot_idle(bool can_write, BootState *after) {
        if (after->left != 1)
                return BOOT_KIND_IDLE;
        if (!can_write)
                return BOOT_KIND_UNWRITABLE;
        after->left = 0;
        return BOOT_KIND_IDLE;
}

/* Where GRUB finds none left it says so once, by the one byte: a kernel that is resumed from
 * hibernation then finds that this was another boot than its own. The fallback mode it is anyway.
 */
static BootKind boot_expired(bool can_write, BootState *after) {
        after->expired |= can_write;
        return BOOT_KIND_EXPIRED;
}

static BootKind boot_intact(bool can_write, char ret_mode[static CONFIG_NAME_SIZE],
                            BootState *after) {
        static const BootKind kinds[_BOOT_KEEP_MAX] = {
                [BOOT_KEEP_NO] = BOOT_KIND_ONCE,
                [BOOT_KEEP_TRIAL] = BOOT_KIND_TRIAL,
                [BOOT_KEEP_YES] = BOOT_KIND_DEFAULT,
        };

        choose(ret_mode, "fallback");
        if (after->skip) {
                after->skip = !can_write;
                return can_write ? BOOT_KIND_SKIPPED : BOOT_KIND_UNWRITABLE;
        }
        if (after->mode[0] == '\0') {
                choose(ret_mode, "");
                return boot_idle(can_write, after);
        }
        if (after->left == 0)
                return boot_expired(can_write, after);
        if (!can_write)
                return BOOT_KIND_UNWRITABLE;
        after->left--;
        choose(ret_mode, after->mode);
        return kinds[after->keep];
}

BootKind boot_state_boot(const BootState *state, bool can_write,
                         char ret_mode[static CONFIG_NAME_SIZE], BootState *state_after) {
        BootState after;
        BootKind kind;

        if (!state) {
                choose(ret_mode, "fallback");
                return BOOT_KIND_DAMAGED;
        }
        after = *state;
        kind = boot_intact(can_write, ret_mode, &after);
        if (state_after)
                *state_after = after;
        return kind;
}

/* --- what the OS writes --- */

static uint64_t next_sequence(const BootState *old, uint64_t now) {
        if (old->sequence < now || old->sequence == UINT64_MAX)
                return now;
        return old->sequence + 1;
}

static bool is_default(const BootState *state) {
        return state->mode[0] != '\0' && state->keep != BOOT_KEEP_NO;
}

/* Nothing armed and nothing skipped, in a block that was written. */
static bool is_idle(const BootState *state) {
        return state->sequence != 0 && state->mode[0] == '\0' && !state->skip;
}

static void make_idle(const BootState *old, uint64_t now, BootState *ret) {
        *ret = (BootState){ .sequence = next_sequence(old, now), .left = 1 };
}

static void arm(const BootState *old, const BootTarget *target, unsigned left, BootKeep keep,
                BootState *ret) {
        *ret = (BootState){ .sequence = next_sequence(old, target->now),
                            .left = left,
                            .keep = keep };
        (void)snprintf(ret->mode, sizeof(ret->mode), "%s", target->mode);
        (void)snprintf(ret->arguments, sizeof(ret->arguments), "%s", target->arguments);
}

static unsigned tries_of(const BootTarget *target) {
        if (target->tries == 0)
                return 1;
        return target->tries > BOOT_TRIES_MAX ? BOOT_TRIES_MAX : target->tries;
}

/* Whether the block has this mode with these arguments, and boots left. */
static bool has_target(const BootState *state, const BootTarget *target) {
        return state->sequence != 0 && strcmp(state->mode, target->mode) == 0 &&
               strcmp(state->arguments, target->arguments) == 0 && state->left > 0;
}

/* A default stays armed behind the boot that is skipped, under its own sequence: GRUB has counted
 * the running boot by that, and it can still be confirmed. */
static void skip_once(const BootState *old, uint64_t now, BootState *ret) {
        *ret = *old;
        if (old->skip)
                return;
        if (!is_default(old))
                make_idle(old, now, ret);
        ret->skip = true;
}

RefusalKind boot_state_set_once(const BootState *old, const BootTarget *target, BootState *ret,
                                Refusal *refusal) {
        bool is_same = strcmp(old->mode, target->mode) == 0;

        *ret = *old;
        if (target->is_fallback) {
                /* A default that is the fallback mode itself needs no skip. */
                if (!is_default(old) || !is_same)
                        skip_once(old, target->now, ret);
                return REFUSAL_NONE;
        }
        if (is_default(old) && !is_same)
                return refusal_set(
                        refusal, REFUSAL_OTHER_DEFAULT,
                        "The boot environment holds %s as default, and has room for one mode: "
                        "run \"vfio-modectl set-default %s\" first, or \"vfio-modectl next --cancel\".",
                        old->mode, target->mode);
        if (!is_default(old)) {
                if (!has_target(old, target) || old->skip || old->left != tries_of(target))
                        arm(old, target, tries_of(target), BOOT_KEEP_NO, ret);
                return REFUSAL_NONE;
        }
        ret->skip = false;
        if (ret->left < tries_of(target)) {
                ret->left = tries_of(target);
                ret->expired = false;
                ret->sequence = next_sequence(old, target->now);
        }
        return REFUSAL_NONE;
}

void boot_state_set_default(const BootState *old, const BootTarget *target,
                            bool default_is_fallback, BootState *ret) {
        unsigned tries = tries_of(target);

        *ret = *old;
        if (target->is_fallback && default_is_fallback) {
                if (!is_idle(old))
                        make_idle(old, target->now, ret);
                return;
        }
        ret->skip = false;
        if (has_target(old, target) && old->keep == BOOT_KEEP_YES)
                return;
        if (target->is_fallback)
                arm(old, target, BOOT_LEFT_CONFIRMED, BOOT_KEEP_YES, ret);
        else if (!has_target(old, target) || old->keep != BOOT_KEEP_TRIAL || old->left != tries)
                arm(old, target, tries, BOOT_KEEP_TRIAL, ret);
}

void boot_state_cancel(const BootState *old, uint64_t now, BootState *ret) {
        *ret = *old;
        if (old->keep == BOOT_KEEP_YES && is_default(old) && old->left > 0)
                ret->skip = false;
        else if (!is_idle(old))
                make_idle(old, now, ret);
}

void boot_state_disarm(const BootState *old, uint64_t now, BootState *ret) {
        *ret = *old;
        if (old->mode[0] == '\0') {
                /* default-mode would decide: not in the next boot. */
                skip_once(old, now, ret);
        } else if (old->left > 0 || old->keep != BOOT_KEEP_NO) {
                /* Nor does the running boot, which took the last one, bring it back as default. */
                ret->left = 0;
                ret->keep = BOOT_KEEP_NO;
                ret->sequence = next_sequence(old, now);
        }
}

/* --- confirming --- */

static bool means_arming(const BootMarker *marker, const BootState *state) {
        static const BootKeep keeps[_BOOT_KIND_MAX] = {
                [BOOT_KIND_ONCE] = BOOT_KEEP_NO,
                [BOOT_KIND_TRIAL] = BOOT_KEEP_TRIAL,
                [BOOT_KIND_DEFAULT] = BOOT_KEEP_YES,
        };

        return state->mode[0] != '\0' && state->sequence == marker->sequence &&
               state->keep == keeps[marker->kind];
}

/* GRUB counts each time that it runs, also where a hibernated kernel goes on afterwards. */
static RefusalKind check_block(const BootMarker *marker, const BootState *state, Refusal *refusal) {
        if (!means_arming(marker, state) || state->left > marker->left)
                return refusal_set(
                        refusal, REFUSAL_OTHER_BOOT,
                        "The boot environment was changed after this boot: what it holds now is "
                        "confirmed by a boot of its own.");
        if (state->left < marker->left || state->expired)
                return refusal_set(
                        refusal, REFUSAL_OTHER_BOOT,
                        "GRUB has counted another boot since this one, as it does where a "
                        "hibernated machine goes on: only a boot of its own can be confirmed.");
        return REFUSAL_NONE;
}

RefusalKind boot_state_confirm(const BootState *old, const BootMarker *marker, uint64_t now,
                               BootState *ret, Refusal *refusal) {
        *ret = *old;
        switch (marker->kind) {
        case BOOT_KIND_ONCE:
        case BOOT_KIND_TRIAL:
        case BOOT_KIND_DEFAULT:
                break;
        case BOOT_KIND_MENU:
                return refusal_set(
                        refusal, REFUSAL_OTHER_BOOT,
                        "This boot was picked from the boot menu: it counts for nothing, and "
                        "there is nothing to confirm.");
        case BOOT_KIND_UNWRITABLE:
                if (old->mode[0] == '\0')
                        return REFUSAL_NONE;
                return refusal_set(
                        refusal, REFUSAL_OTHER_BOOT,
                        "GRUB could not write the boot environment and did not boot into %s.",
                        old->mode);
        default:
                return REFUSAL_NONE;
        }
        if (check_block(marker, old, refusal) != REFUSAL_NONE)
                return refusal->kind;
        if (old->keep == BOOT_KEEP_NO) {
                make_idle(old, now, ret);
                return REFUSAL_NONE;
        }
        ret->sequence = next_sequence(old, now);
        ret->keep = BOOT_KEEP_YES;
        ret->left = BOOT_LEFT_CONFIRMED;
        return REFUSAL_NONE;
}
