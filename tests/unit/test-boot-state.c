/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot environment's states: what each request makes of each of them, what GRUB does with them,
 * and what the block looks like. In rows the block was written as sequence 100, and the clock says
 * 1000.
 */
#undef NDEBUG

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/boot-state.h"
#include "table.h"

#define OLD 100
#define NOW 1000

#define ONCE(left_) { .sequence = OLD, .mode = "game", .arguments = "a=1", .left = (left_) }
#define TRIAL(left_)          \
        { .sequence = OLD,    \
          .mode = "game",     \
          .arguments = "a=1", \
          .left = (left_),    \
          .keep = BOOT_KEEP_TRIAL }
#define DEFAULT(left_)        \
        { .sequence = OLD,    \
          .mode = "game",     \
          .arguments = "a=1", \
          .left = (left_),    \
          .keep = BOOT_KEEP_YES }
/* GRUB has come by since the last one was taken. */
#define EXPIRED(keep_) \
        { .sequence = OLD, .mode = "game", .arguments = "a=1", .expired = true, .keep = (keep_) }
#define IDLE(left_) { .sequence = OLD, .left = (left_) }

static void assert_state(const BootState *state, const BootState *expected) {
        assert_int_equal(state->sequence, expected->sequence);
        assert_string_equal(state->mode, expected->mode);
        assert_string_equal(state->arguments, expected->arguments);
        assert_int_equal(state->left, expected->left);
        assert_int_equal(state->expired, expected->expired);
        assert_int_equal(state->keep, expected->keep);
        assert_int_equal(state->skip, expected->skip);
        assert_true(boot_state_equal(state, expected));
}

/* ---- What the OS writes ---- */

typedef enum Operation {
        NEXT,          /* game, with a=1 */
        NEXT_TWICE,    /* the same with two tries */
        NEXT_OTHER,    /* other, without arguments */
        NEXT_FALLBACK, /* host */
        SET_DEFAULT,
        SET_DEFAULT_TWICE,
        SET_OTHER,
        SET_FALLBACK,         /* and default-mode is the fallback mode */
        SET_FALLBACK_FOREVER, /* and default-mode is another one */
        CANCEL,
        DISARM,
} Operation;

static RefusalKind operate(Operation operation, const BootState *old, uint64_t now,
                           BootState *ret) {
        static const BootTarget targets[] = {
                [NEXT] = { "game", "a=1", false, 1, 0 },
                [NEXT_TWICE] = { "game", "a=1", false, 2, 0 },
                [NEXT_OTHER] = { "other", "", false, 1, 0 },
                [NEXT_FALLBACK] = { "host", "", true, 1, 0 },
                [SET_DEFAULT] = { "game", "a=1", false, 0, 0 },
                [SET_DEFAULT_TWICE] = { "game", "a=1", false, 2, 0 },
                [SET_OTHER] = { "other", "", false, 9, 0 },
                [SET_FALLBACK] = { "host", "", true, 1, 0 },
                [SET_FALLBACK_FOREVER] = { "host", "", true, 1, 0 },
        };
        Refusal refusal = { 0 };
        BootTarget target;

        if (operation == CANCEL) {
                boot_state_cancel(old, now, ret);
                return REFUSAL_NONE;
        }
        if (operation == DISARM) {
                boot_state_disarm(old, now, ret);
                return REFUSAL_NONE;
        }
        target = targets[operation];
        target.now = now;
        if (operation <= NEXT_FALLBACK) {
                RefusalKind kind = boot_state_set_once(old, &target, ret, &refusal);

                assert_int_equal(refusal.kind, kind);
                return kind;
        }
        boot_state_set_default(old, &target, operation == SET_FALLBACK, ret);
        return REFUSAL_NONE;
}

static const struct Row {
        const char *title;
        BootState old;
        Operation operation;
        BootState expected;
        RefusalKind kind;
} rows[] = {
        /* next */
        { "next on nothing",
          { 0 },
          NEXT,
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 1 },
          0 },
        { "next on idle",
          IDLE(0),
          NEXT_TWICE,
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 2 },
          0 },
        { "next again", ONCE(1), NEXT, ONCE(1), 0 },
        { "next again with more tries",
          ONCE(1),
          NEXT_TWICE,
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 2 },
          0 },
        { "next after it was used up",
          ONCE(0),
          NEXT,
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 1 },
          0 },
        { "another next in the place of one",
          ONCE(1),
          NEXT_OTHER,
          { .sequence = NOW, .mode = "other", .left = 1 },
          0 },
        { "next of the default", DEFAULT(2), NEXT, DEFAULT(2), 0 },
        { "next of the default in the place of a skip",
          { .sequence = OLD, .mode = "game", .left = 2, .keep = BOOT_KEEP_YES, .skip = true },
          NEXT,
          { .sequence = OLD, .mode = "game", .left = 2, .keep = BOOT_KEEP_YES },
          0 },
        { "next of a default that has expired",
          DEFAULT(0),
          NEXT_TWICE,
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 2, .keep = BOOT_KEEP_YES },
          0 },
        { "next of a default that GRUB has found expired",
          EXPIRED(BOOT_KEEP_YES),
          NEXT,
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 1, .keep = BOOT_KEEP_YES },
          0 },
        { "next after it was found expired",
          EXPIRED(BOOT_KEEP_NO),
          NEXT,
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 1 },
          0 },
        { "next of a trial that failed",
          TRIAL(0),
          NEXT,
          { .sequence = NOW,
            .mode = "game",
            .arguments = "a=1",
            .left = 1,
            .keep = BOOT_KEEP_TRIAL },
          0 },
        { "next beside another default", DEFAULT(3), NEXT_OTHER, DEFAULT(3),
          REFUSAL_OTHER_DEFAULT },
        { "next beside another trial", TRIAL(0), NEXT_OTHER, TRIAL(0), REFUSAL_OTHER_DEFAULT },

        /* next host */
        { "next host on nothing",
          { 0 },
          NEXT_FALLBACK,
          { .sequence = NOW, .left = 1, .skip = true },
          0 },
        { "next host before a default",
          DEFAULT(2),
          NEXT_FALLBACK,
          { .sequence = OLD,
            .mode = "game",
            .arguments = "a=1",
            .left = 2,
            .keep = BOOT_KEEP_YES,
            .skip = true },
          0 },
        { "next host in the place of next",
          ONCE(1),
          NEXT_FALLBACK,
          { .sequence = NOW, .left = 1, .skip = true },
          0 },
        { "next host again",
          { .sequence = OLD, .skip = true },
          NEXT_FALLBACK,
          { .sequence = OLD, .skip = true },
          0 },
        { "next host where that is the default",
          { .sequence = OLD, .mode = "host", .left = 3, .keep = BOOT_KEEP_YES },
          NEXT_FALLBACK,
          { .sequence = OLD, .mode = "host", .left = 3, .keep = BOOT_KEEP_YES },
          0 },

        /* set-default */
        { "set-default on idle",
          IDLE(0),
          SET_DEFAULT,
          { .sequence = NOW,
            .mode = "game",
            .arguments = "a=1",
            .left = 1,
            .keep = BOOT_KEEP_TRIAL },
          0 },
        { "set-default again", TRIAL(1), SET_DEFAULT, TRIAL(1), 0 },
        { "set-default again with more tries",
          TRIAL(1),
          SET_DEFAULT_TWICE,
          { .sequence = NOW,
            .mode = "game",
            .arguments = "a=1",
            .left = 2,
            .keep = BOOT_KEEP_TRIAL },
          0 },
        { "set-default of a confirmed one", DEFAULT(2), SET_DEFAULT, DEFAULT(2), 0 },
        { "set-default of a confirmed one with other arguments",
          { .sequence = OLD, .mode = "game", .arguments = "a=2", .left = 2, .keep = BOOT_KEEP_YES },
          SET_DEFAULT,
          { .sequence = NOW,
            .mode = "game",
            .arguments = "a=1",
            .left = 1,
            .keep = BOOT_KEEP_TRIAL },
          0 },
        { "set-default of one that has expired",
          DEFAULT(0),
          SET_DEFAULT,
          { .sequence = NOW,
            .mode = "game",
            .arguments = "a=1",
            .left = 1,
            .keep = BOOT_KEEP_TRIAL },
          0 },
        { "set-default of another, three tries at most",
          DEFAULT(3),
          SET_OTHER,
          { .sequence = NOW, .mode = "other", .left = 3, .keep = BOOT_KEEP_TRIAL },
          0 },
        { "set-default in the place of next",
          ONCE(1),
          SET_DEFAULT,
          { .sequence = NOW,
            .mode = "game",
            .arguments = "a=1",
            .left = 1,
            .keep = BOOT_KEEP_TRIAL },
          0 },
        { "set-default host", DEFAULT(3), SET_FALLBACK, { .sequence = NOW, .left = 1 }, 0 },
        { "set-default host on idle", IDLE(0), SET_FALLBACK, IDLE(0), 0 },
        { "set-default host on nothing", { 0 }, SET_FALLBACK, { .sequence = NOW, .left = 1 }, 0 },
        { "set-default host against default-mode",
          IDLE(0),
          SET_FALLBACK_FOREVER,
          { .sequence = NOW, .mode = "host", .left = 3, .keep = BOOT_KEEP_YES },
          0 },
        { "and again",
          { .sequence = OLD, .mode = "host", .left = 2, .keep = BOOT_KEEP_YES },
          SET_FALLBACK_FOREVER,
          { .sequence = OLD, .mode = "host", .left = 2, .keep = BOOT_KEEP_YES },
          0 },

        /* next --cancel */
        { "cancel next", ONCE(1), CANCEL, { .sequence = NOW, .left = 1 }, 0 },
        { "cancel a trial", TRIAL(1), CANCEL, { .sequence = NOW, .left = 1 }, 0 },
        { "cancel what has expired", DEFAULT(0), CANCEL, { .sequence = NOW, .left = 1 }, 0 },
        { "cancel what GRUB has found expired",
          EXPIRED(BOOT_KEEP_YES),
          CANCEL,
          { .sequence = NOW, .left = 1 },
          0 },
        { "a confirmed default stays", DEFAULT(1), CANCEL, DEFAULT(1), 0 },
        { "cancel a skip before a default",
          { .sequence = OLD, .mode = "game", .left = 2, .keep = BOOT_KEEP_YES, .skip = true },
          CANCEL,
          { .sequence = OLD, .mode = "game", .left = 2, .keep = BOOT_KEEP_YES },
          0 },
        { "cancel a skip",
          { .sequence = OLD, .skip = true },
          CANCEL,
          { .sequence = NOW, .left = 1 },
          0 },
        { "nothing to cancel", IDLE(0), CANCEL, IDLE(0), 0 },
        { "cancel on nothing", { 0 }, CANCEL, { .sequence = NOW, .left = 1 }, 0 },

        /* The card does not come back. */
        { "disarm a default",
          DEFAULT(3),
          DISARM,
          { .sequence = NOW, .mode = "game", .arguments = "a=1" },
          0 },
        { "disarm next",
          ONCE(2),
          DISARM,
          { .sequence = NOW, .mode = "game", .arguments = "a=1" },
          0 },
        { "disarm a trial that is running",
          TRIAL(0),
          DISARM,
          { .sequence = NOW, .mode = "game", .arguments = "a=1" },
          0 },
        { "disarm again", ONCE(0), DISARM, ONCE(0), 0 },
        { "disarm default-mode", IDLE(0), DISARM, { .sequence = NOW, .left = 1, .skip = true }, 0 },
};

static void test_row(void **state) {
        const struct Row *row = *state;
        BootState result, again;

        assert_int_equal(operate(row->operation, &row->old, NOW, &result), row->kind);
        assert_state(&result, &row->expected);
        /* Asked twice, nothing is done the second time. */
        assert_int_equal(operate(row->operation, &result, NOW + 5, &again), row->kind);
        assert_state(&again, &result);
}

static void test_sequence(void **state) {
        BootState old = ONCE(1), result;

        (void)state;
        old.sequence = NOW + 7; /* the clock was set back */
        boot_state_cancel(&old, NOW, &result);
        assert_int_equal(result.sequence, NOW + 8);
        old.sequence = NOW;
        boot_state_cancel(&old, NOW, &result);
        assert_int_equal(result.sequence, NOW + 1);
        old.sequence = UINT64_MAX;
        boot_state_cancel(&old, NOW, &result);
        assert_int_equal(result.sequence, NOW);
}

static void test_equal(void **state) {
        BootState a = TRIAL(1), b;

        (void)state;
        b = (BootState)TRIAL(1);
        assert_true(boot_state_equal(&a, &b));
        b.skip = true;
        assert_false(boot_state_equal(&a, &b));
        b = (BootState)TRIAL(2);
        assert_false(boot_state_equal(&a, &b));
        b = (BootState)ONCE(1);
        assert_false(boot_state_equal(&a, &b));
        b = a;
        b.sequence++;
        assert_false(boot_state_equal(&a, &b));
        b = a;
        b.arguments[0] = 'b';
        assert_false(boot_state_equal(&a, &b));
        b = a;
        b.mode[0] = 'n';
        assert_false(boot_state_equal(&a, &b));
}

/* ---- Confirming ---- */

static const struct Confirm {
        const char *title;
        BootState old;
        const char *marker;
        BootState expected;
        RefusalKind kind;
} confirms[] = {
        { "a boot asked for once", ONCE(0), "once.100.0", { .sequence = NOW, .left = 1 }, 0 },
        { "a trial",
          TRIAL(0),
          "trial.100.0",
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 3, .keep = BOOT_KEEP_YES },
          0 },
        { "a default",
          DEFAULT(1),
          "default.100.1",
          { .sequence = NOW, .mode = "game", .arguments = "a=1", .left = 3, .keep = BOOT_KEEP_YES },
          0 },
        { "a default that is skipped next",
          { .sequence = OLD, .mode = "game", .left = 2, .keep = BOOT_KEEP_YES, .skip = true },
          "default.100.2",
          { .sequence = NOW, .mode = "game", .left = 3, .keep = BOOT_KEEP_YES, .skip = true },
          0 },
        { "a boot before the last, resumed after it", TRIAL(0), "trial.100.1", TRIAL(0),
          REFUSAL_OTHER_BOOT },
        { "the only boot, hibernated", EXPIRED(BOOT_KEEP_TRIAL), "trial.100.0",
          EXPIRED(BOOT_KEEP_TRIAL), REFUSAL_OTHER_BOOT },
        { "the only boot asked for once, hibernated", EXPIRED(BOOT_KEEP_NO), "once.100.0",
          EXPIRED(BOOT_KEEP_NO), REFUSAL_OTHER_BOOT },
        { "one that was armed anew", TRIAL(1), "trial.99.0", TRIAL(1), REFUSAL_OTHER_BOOT },
        { "another count", DEFAULT(1), "default.100.2", DEFAULT(1), REFUSAL_OTHER_BOOT },
        { "another kind", TRIAL(0), "once.100.0", TRIAL(0), REFUSAL_OTHER_BOOT },
        { "a block that is idle now", IDLE(1), "trial.100.1", IDLE(1), REFUSAL_OTHER_BOOT },
        { "a boot picked from the menu", TRIAL(1), "menu.0.0", TRIAL(1), REFUSAL_OTHER_BOOT },
        { "a boot that GRUB could not count", TRIAL(1), "unwritable.100.1", TRIAL(1),
          REFUSAL_OTHER_BOOT },
        { "a boot by default-mode that GRUB could not write", IDLE(1), "unwritable.100.1", IDLE(1),
          0 },
        { "a boot by default-mode", IDLE(0), "idle.100.0", IDLE(0), 0 },
        { "what was armed in a boot by default-mode", TRIAL(1), "idle.99.0", TRIAL(1), 0 },
        { "a skip", DEFAULT(3), "skipped.100.3", DEFAULT(3), 0 },
        { "a boot after expiry", DEFAULT(0), "expired.100.0", DEFAULT(0), 0 },
        { "a boot with a damaged block", IDLE(1), "damaged.0.0", IDLE(1), 0 },
        { "a boot without a block", IDLE(1), "missing.0.0", IDLE(1), 0 },
};

static void test_confirm(void **state) {
        const struct Confirm *row = *state;
        Refusal refusal = { 0 };
        BootMarker marker;
        BootState result;

        assert_int_equal(boot_marker_parse(row->marker, &marker), 0);
        assert_int_equal(boot_state_confirm(&row->old, &marker, NOW, &result, &refusal), row->kind);
        assert_int_equal(refusal.kind, row->kind);
        assert_state(&result, &row->expected);
}

/* ---- What GRUB does ---- */

static const struct Boot {
        const char *title;
        BootState before;
        bool can_write;
        BootKind kind;
        const char *mode;
        BootState after;
} boots[] = {
        { "idle", IDLE(1), true, BOOT_KIND_IDLE, "", IDLE(0) },
        { "idle, seen to write", IDLE(0), true, BOOT_KIND_IDLE, "", IDLE(0) },
        { "idle, unwritable", IDLE(1), false, BOOT_KIND_UNWRITABLE, "", IDLE(1) },
        { "once", ONCE(1), true, BOOT_KIND_ONCE, "game", ONCE(0) },
        { "trial", TRIAL(2), true, BOOT_KIND_TRIAL, "game", TRIAL(1) },
        { "default", DEFAULT(3), true, BOOT_KIND_DEFAULT, "game", DEFAULT(2) },
        { "default, unwritable", DEFAULT(3), false, BOOT_KIND_UNWRITABLE, "fallback", DEFAULT(3) },
        { "expired", DEFAULT(0), true, BOOT_KIND_EXPIRED, "fallback", EXPIRED(BOOT_KEEP_YES) },
        { "expired, once more", EXPIRED(BOOT_KEEP_NO), true, BOOT_KIND_EXPIRED, "fallback",
          EXPIRED(BOOT_KEEP_NO) },
        { "expired, unwritable", ONCE(0), false, BOOT_KIND_EXPIRED, "fallback", ONCE(0) },
        { "a skip",
          { .sequence = OLD, .mode = "game", .left = 2, .keep = BOOT_KEEP_YES, .skip = true },
          true,
          BOOT_KIND_SKIPPED,
          "fallback",
          { .sequence = OLD, .mode = "game", .left = 2, .keep = BOOT_KEEP_YES } },
        { "a skip, unwritable",
          { .sequence = OLD, .left = 1, .skip = true },
          false,
          BOOT_KIND_UNWRITABLE,
          "fallback",
          { .sequence = OLD, .left = 1, .skip = true } },
};

static void test_boot(void **state) {
        const struct Boot *row = *state;
        char mode[CONFIG_NAME_SIZE];
        BootState after;

        assert_int_equal(boot_state_boot(&row->before, row->can_write, mode, &after), row->kind);
        assert_string_equal(mode, row->mode);
        assert_state(&after, &row->after);
        assert_int_equal(boot_state_boot(&row->before, row->can_write, mode, NULL), row->kind);
}

static void test_boot_damaged(void **state) {
        char mode[CONFIG_NAME_SIZE];

        (void)state;
        assert_int_equal(boot_state_boot(NULL, true, mode, NULL), BOOT_KIND_DAMAGED);
        assert_string_equal(mode, "fallback");
}

/* ---- The block ---- */

static const struct Parse {
        const char *title;
        const char *name, *value; /* what is changed in a good block; NULL: taken away */
        bool is_good;
} parses[] = {
        { "another mode", "vfio_mode", "host", true },
        { "no mode", "vfio_mode", "", true },
        { "no variable for the mode", "vfio_mode", NULL, true },
        { "no arguments", "vfio_args", NULL, true },
        { "a variable that is not ours", "saved_entry", "x", true },
        { "another sequence at the end", "vfio_end", "101", false },
        { "no sequence in front", "vfio_seq", NULL, false },
        { "no sequence at the end", "vfio_end", NULL, false },
        { "a mode that is none", "vfio_mode", "Game", false },
        { "the mode 'fallback'", "vfio_mode", "fallback", false },
        { "a mode that does not fit", "vfio_mode", "0123456789012345678901234567890123", false },
        { "more left than there can be", "vfio_left", "4", false },
        { "left of two digits", "vfio_left", "10", false },
        { "left that has expired", "vfio_left", "-", true },
        { "left that is none", "vfio_left", "x", false },
        { "left below none", "vfio_left", "-1", false },
        { "no left", "vfio_left", NULL, false },
        { "an unknown keep", "vfio_keep", "3", false },
        { "no keep", "vfio_keep", "", false },
        { "an unknown skip", "vfio_skip", "2", false },
        { "no skip", "vfio_skip", NULL, false },
        { "arguments with a newline", "vfio_args", "a\nb", false },
        { "arguments that are not ASCII", "vfio_args", "a\xff", false },
};

static const BootState sample = {
        .sequence = OLD,
        .mode = "game",
        .arguments = "vfio-pci.ids=10de:2484 panic=10",
        .left = 2,
        .keep = BOOT_KEEP_TRIAL,
};

/* Under another name it is not there for us. */
static void take_away(EnvBlock *block, const char *name) {
        char *at = memmem(block->bytes, sizeof(block->bytes), name, strlen(name));

        assert_non_null(at);
        *at = 'x';
}

static void test_parse(void **state) {
        const struct Parse *row = *state;
        BootState parsed, untouched;
        EnvBlock block;

        assert_int_equal(boot_state_format(&sample, &block), 0);
        if (row->value)
                assert_int_equal(env_block_set(&block, row->name, row->value), 0);
        else
                take_away(&block, row->name);
        (void)memset(&parsed, 0x5a, sizeof(parsed));
        untouched = parsed;
        assert_int_equal(boot_state_parse(&block, &parsed), row->is_good ? 0 : -EBADMSG);
        if (!row->is_good)
                assert_memory_equal(&parsed, &untouched, sizeof(parsed));
}

static void test_sequence_that_is_none(void **state) {
        static const char *const values[] = { "x", "", "-1", "18446744073709551616",
                                              "000000000000000000000000000000000000000000001" };
        BootState parsed;
        EnvBlock block;

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                assert_int_equal(boot_state_format(&sample, &block), 0);
                assert_int_equal(env_block_set(&block, "vfio_seq", values[i]), 0);
                assert_int_equal(env_block_set(&block, "vfio_end", values[i]), 0);
                assert_int_equal(boot_state_parse(&block, &parsed), -EBADMSG);
        }
}

static void test_format(void **state) {
        static const char expected[] = "vfio_seq=100\nvfio_mode=game\nvfio_left=2\nvfio_keep=1\n"
                                       "vfio_skip=0\nvfio_args=vfio-pci.ids=10de:2484 panic=10\n"
                                       "vfio_end=100\n###";
        const BootState expired = EXPIRED(BOOT_KEEP_TRIAL);
        EnvBlock block, empty;
        BootState parsed;
        const char *text;

        (void)state;
        assert_int_equal(boot_state_format(&sample, &block), 0);
        text = memmem(block.bytes, sizeof(block.bytes), "vfio_seq", 8);
        assert_non_null(text);
        assert_memory_equal(text, expected, strlen(expected));
        assert_int_equal(boot_state_parse(&block, &parsed), 0);
        assert_state(&parsed, &sample);

        assert_int_equal(boot_state_format(&expired, &block), 0);
        assert_non_null(memmem(block.bytes, sizeof(block.bytes), "\nvfio_left=-\n", 13));
        assert_int_equal(boot_state_parse(&block, &parsed), 0);
        assert_state(&parsed, &expired);

        env_block_init(&empty);
        assert_int_equal(boot_state_parse(&empty, &parsed), -EBADMSG);
        (void)memset(&empty, 0, sizeof(empty));
        assert_int_equal(boot_state_parse(&empty, &parsed), -EBADMSG);
        block.bytes[ENV_BLOCK_SIZE - 1] = 'x';
        assert_int_equal(boot_state_parse(&block, &parsed), -EBADMSG);
        block.bytes[ENV_BLOCK_SIZE - 1] = '#';
        block.bytes[0] = ' ';
        assert_int_equal(boot_state_parse(&block, &parsed), -EBADMSG);
}

/* The largest state fits, and what GRUB changes is one byte of the first sector. */
static void test_largest(void **state) {
        static const char *const changed[][2] = { { "vfio_left", "1" },
                                                  { "vfio_left", "-" },
                                                  { "vfio_skip", "1" } };
        BootState largest = { .sequence = UINT64_MAX, .left = 3, .keep = BOOT_KEEP_YES };
        EnvBlock block, after;
        BootState parsed;

        (void)state;
        (void)memset(largest.mode, 'm', sizeof(largest.mode) - 1);
        (void)memset(largest.arguments, 'a', sizeof(largest.arguments) - 1);
        assert_int_equal(boot_state_format(&largest, &block), 0);
        assert_int_equal(boot_state_parse(&block, &parsed), 0);
        assert_state(&parsed, &largest);
        for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
                unsigned n = 0;

                after = block;
                assert_int_equal(env_block_set(&after, changed[i][0], changed[i][1]), 0);
                for (size_t j = 0; j < sizeof(block.bytes); j++) {
                        if (block.bytes[j] != after.bytes[j]) {
                                assert_in_range(j, 0, 511);
                                n++;
                        }
                }
                assert_int_equal(n, 1);
        }
        (void)memset(largest.arguments, '\\', sizeof(largest.arguments) - 1);
        assert_int_equal(boot_state_format(&largest, &after), -ENOSPC);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        TABLE_ROWS(&table, test_confirm, confirms);
        TABLE_ROWS(&table, test_boot, boots);
        TABLE_ROWS(&table, test_parse, parses);
        table_add(&table, "sequences go up", test_sequence, NULL);
        table_add(&table, "states that are the same", test_equal, NULL);
        table_add(&table, "GRUB on a damaged block", test_boot_damaged, NULL);
        table_add(&table, "sequences that are none", test_sequence_that_is_none, NULL);
        table_add(&table, "the block, byte for byte", test_format, NULL);
        table_add(&table, "the largest state", test_largest, NULL);
        return table_run("boot-state", &table);
}
