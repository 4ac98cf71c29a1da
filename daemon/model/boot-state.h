/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state that the boot environment holds, and what becomes of it: arm, consume, confirm, expire,
 * cancel, skip (DESIGN §8). Pure.
 *
 * The OS arms: one write. GRUB consumes before it uses: it takes one of the boots that are left,
 * reads back, and only then boots the mode. The OS confirms: one write. Whatever fails in between
 * costs one of the boots that are left, and none left means the fallback mode until a person
 * decides anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "env-block.h"
#include "refusal.h"

#define BOOT_ARGUMENTS_SIZE \
        (CONFIG_CMDLINE_SIZE + 96) /* the mode's cmdline, its hugepages, and panic= */
#define BOOT_MARKER_SIZE 64
#define BOOT_TRIES_MAX 3        /* of a trial */
#define BOOT_LEFT_CONFIRMED 3   /* boots of a confirmed default that may end unconfirmed */
#define BOOT_UNCONFIRMED_MAX 2  /* boots into default-mode in a row that may end unconfirmed */
#define BOOT_PANIC_SECONDS "10" /* until a panicked kernel reboots by itself */
#define BOOT_PANIC_ARGUMENT "panic=" BOOT_PANIC_SECONDS

/** Whether the mode of the block stays after a confirmed boot. */
typedef enum BootKeep {
        BOOT_KEEP_NO,    /**< one boot */
        BOOT_KEEP_TRIAL, /**< a default, not confirmed yet */
        BOOT_KEEP_YES,   /**< a default, confirmed at least once */
        _BOOT_KEEP_MAX,
} BootKeep;

/** The block as a value. */
typedef struct BootState {
        uint64_t sequence;                   /**< names this arming; 0: nothing was ever written */
        char mode[CONFIG_NAME_SIZE];         /**< "": idle, default-mode decides */
        char arguments[BOOT_ARGUMENTS_SIZE]; /**< for the kernel, without vfio_mode= */
        unsigned left; /**< boots into the mode that may still be tried. Of an idle block 1: GRUB
                          writes 0 to show that it can write */
        bool expired;  /**< none is left, and GRUB has come by since the last one was taken: the
                          running boot is not that one, though a resumed kernel may be */
        BootKeep keep;
        bool skip; /**< one boot in the fallback mode first */
} BootState;

/** What GRUB did in a boot: the KIND of `vfio_mode.boot=KIND.SEQUENCE.LEFT` on the command line. */
typedef enum BootKind {
        BOOT_KIND_NONE,       /**< no marker: GRUB did not run our script, or another loader */
        BOOT_KIND_IDLE,       /**< "idle": nothing armed, and GRUB can write */
        BOOT_KIND_ONCE,       /**< "once": one boot into the mode */
        BOOT_KIND_TRIAL,      /**< "trial": a default that is not confirmed yet */
        BOOT_KIND_DEFAULT,    /**< "default": a confirmed default */
        BOOT_KIND_SKIPPED,    /**< "skipped": the fallback mode once, by request */
        BOOT_KIND_EXPIRED,    /**< "expired": no boot left */
        BOOT_KIND_UNWRITABLE, /**< "unwritable": GRUB could not take one of the boots left */
        BOOT_KIND_DAMAGED,    /**< "damaged": the block is torn or not ours */
        BOOT_KIND_MISSING,    /**< "missing": GRUB did not find the block */
        BOOT_KIND_MENU,       /**< "menu": a menu entry of ours was picked */
        _BOOT_KIND_MAX,
} BootKind;

typedef struct BootMarker {
        BootKind kind;
        uint64_t sequence; /**< of the block that GRUB saw; 0 where it saw none */
        unsigned left;     /**< after GRUB took one */
} BootMarker;

/** A kind's word, such as "trial"; "none" for BOOT_KIND_NONE. */
const char *boot_kind_name(BootKind kind);

/** A kind in words for a person, such as "the boots that were left of the armed mode are used up".
 */
const char *boot_kind_text(BootKind kind);

/** Finds a kind by its word; BOOT_KIND_NONE where there is none. */
BootKind boot_kind_by_name(const char *name);

/** Whether the boot went to the mode that was armed, and so may be confirmed: once, trial, default.
 */
bool boot_kind_is_armed(BootKind kind);

/** Parses KIND.SEQUENCE.LEFT. Returns 0, or -EBADMSG with @ret untouched. */
_must_check_ int boot_marker_parse(const char *text, BootMarker *ret);

/**
 * Finds the last marker on a kernel command line.
 *
 * Returns 1; 0 where there is none (@ret is then all zero); -EBADMSG where the last one is
 * malformed (all zero, too).
 */
_must_check_ int boot_marker_find(const char *cmdline, BootMarker *ret);

/** Whether GRUB has shown in the boot of this marker that it reads and writes the block. */
bool boot_marker_proves_grub(const BootMarker *marker);

/* --- the block --- */

/**
 * Reads the block's variables: vfio_seq, vfio_mode, vfio_left, vfio_keep, vfio_skip, vfio_args,
 * vfio_end, in this order: what GRUB changes lies in the block's first sector. vfio_left is a
 * digit, or "-" of what has expired.
 *
 * Returns 0; -EBADMSG where it is torn (vfio_seq and vfio_end differ), a value is none of ours,
 * GRUB could not write it, or it is no block. @ret is untouched on failure.
 */
_must_check_ int boot_state_parse(const EnvBlock *block, BootState *ret);

/** Writes the block, from an empty one. Returns 0, or -ENOSPC where it does not fit. */
_must_check_ int boot_state_format(const BootState *state, EnvBlock *ret);

/**
 * What GRUB's script makes of a block: the same if-chain, for `status`, and for tests that hold it
 * against real GRUB.
 *
 * @state: NULL for a damaged block; @state_after is untouched then
 * @can_write: whether GRUB can write the block
 * @ret_mode: the mode booted to, "fallback" for the fallback mode, "" where default-mode decides
 *
 * Returns the kind; @state_after (may be NULL) is what the block holds then.
 */
BootKind boot_state_boot(const BootState *state, bool can_write,
                         char ret_mode[static CONFIG_NAME_SIZE], BootState *state_after);

/* --- what the OS writes --- */

/** The mode that is asked for. */
typedef struct BootTarget {
        const char *mode;
        const char *arguments; /**< of its cmdline, complete */
        bool is_fallback;      /**< it is the configuration's fallback mode */
        unsigned tries;        /**< 1..BOOT_TRIES_MAX; boots that a trial may take */
        uint64_t now;          /**< CLOCK_REALTIME in seconds: a new sequence is at least this, so
                                  that a block made anew does not repeat an old marker */
} BootTarget;

/**
 * One boot into a mode (`next`). The fallback mode is a skip, so that a default behind it stays.
 *
 * @ret: what to write; equal to @old where nothing has to change
 *
 * Returns REFUSAL_NONE; REFUSAL_OTHER_DEFAULT where the block holds another mode as default.
 */
RefusalKind boot_state_set_once(const BootState *old, const BootTarget *target, BootState *ret,
                                Refusal *refusal);

/**
 * A mode from now on (`set-default`), by a trial unless it is the fallback mode or confirmed
 * already.
 *
 * @default_is_fallback: the configuration's default-mode is its fallback mode: then an idle block
 * says the same
 */
void boot_state_set_default(const BootState *old, const BootTarget *target,
                            bool default_is_fallback, BootState *ret);

/** Takes back what was armed, is skipped, has expired or was not confirmed; a confirmed default
 * that has boots left stays. */
void boot_state_cancel(const BootState *old, uint64_t now, BootState *ret);

/**
 * The boot with this marker was good.
 *
 * Returns REFUSAL_NONE, @ret being equal to @old where there was nothing to confirm: a boot of kind
 * none, idle, skipped, expired, damaged or missing, and an unwritable one of an idle block.
 * REFUSAL_OTHER_BOOT where the block does not mean the boot of this marker, also when that was
 * confirmed before; and for boots picked from the menu or that GRUB could not count.
 */
RefusalKind boot_state_confirm(const BootState *old, const BootMarker *marker, uint64_t now,
                               BootState *ret, Refusal *refusal);

/** The next boot goes to the fallback mode (a wedged card): a mode in the block has no boot left
 * and is no default any more, so that it stays there until a person decides anew, also where the
 * running boot is confirmed; before default-mode one boot is skipped. */
void boot_state_disarm(const BootState *old, uint64_t now, BootState *ret);

/** Whether two states are the same in every field. */
bool boot_state_equal(const BootState *a, const BootState *b);
