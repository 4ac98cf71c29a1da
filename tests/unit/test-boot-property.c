/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The crash table, drawn: requests, boots and power cuts in any order, on the bytes of a block.
 * Each boot goes to the fallback mode, to default-mode where nothing is armed, or to a mode that
 * was asked for, and into that no more often than it has boots left. The seed is printed;
 * $VFIO_MODE_TEST_SEED sets it, and $VFIO_MODE_TEST_ROUNDS how many steps there are.
 */
#undef NDEBUG

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/boot-state.h"
#include "table.h"

#define SECTOR 512
#define STEPS 60000
#define MARKERS 8
#define ALLOWED_MAX 8

typedef struct Machine {
        uint64_t random, now;
        EnvBlock disk;
        bool grub_can_write;

        /* What may be booted, kept apart from the block: what the last whole write asked for, and
         * the writes that were cut off since. */
        char allowed[ALLOWED_MAX][CONFIG_NAME_SIZE];
        size_t n_allowed;
        unsigned budget; /* boots into one of them that are left */

        BootMarker marker;           /* of the running boot */
        BootMarker markers[MARKERS]; /* of boots before */
        unsigned n_boots, n_modes, n_damaged, n_confirmed, n_torn;
} Machine;

static uint32_t draw(Machine *m, uint32_t below) {
        m->random = m->random * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (uint32_t)(m->random >> 33) % below;
}

/* ---- Power cuts ---- */

/* Each sector is the old or the new one; GRUB and the OS write them all. */
static bool tear(Machine *m, EnvBlock *to, const EnvBlock *from) {
        unsigned sectors = draw(m, 4);

        for (size_t i = 0; i < ENV_BLOCK_SIZE / SECTOR; i++)
                if (sectors & 1u << i)
                        (void)memcpy(to->bytes + i * SECTOR, from->bytes + i * SECTOR, SECTOR);
        m->n_torn++;
        return sectors != 3;
}

/* ---- The OS ---- */

static void draw_target(Machine *m, BootTarget *ret) {
        static const char *const modes[] = { "host", "game", "work" };
        static char long_arguments[BOOT_ARGUMENTS_SIZE];
        size_t which = draw(m, ARRAY_SIZE(modes)), length = draw(m, 3) ? 0 : 300 + draw(m, 350);

        (void)memset(long_arguments, 'a' + (char)draw(m, 3), length);
        long_arguments[length] = '\0';
        *ret = (BootTarget){
                .mode = modes[which],
                .arguments = which == 0 ? "" : long_arguments,
                .is_fallback = which == 0,
                .tries = 1 + draw(m, BOOT_TRIES_MAX),
                .now = m->now,
        };
}

static BootState change(Machine *m, const BootState *old, unsigned *budget) {
        BootState new = *old;
        Refusal refusal;
        BootTarget target;

        draw_target(m, &target);
        *budget = target.tries;
        switch (draw(m, 6)) {
        case 0:
        case 1:
                (void)boot_state_set_once(old, &target, &new, &refusal);
                break;
        case 2:
                boot_state_set_default(old, &target, draw(m, 2), &new);
                if (target.is_fallback)
                        *budget = BOOT_LEFT_CONFIRMED;
                break;
        case 3:
                boot_state_cancel(old, m->now, &new);
                break;
        case 4:
                if (draw(m, 4) == 0)
                        boot_state_disarm(old, m->now, &new);
                break;
        default:
                if (boot_state_confirm(old, &m->marker, m->now, &new, &refusal) == REFUSAL_NONE &&
                    !boot_state_equal(old, &new)) {
                        /* Only a boot that took one of this block's, and by its own number. */
                        assert_true(m->marker.sequence == old->sequence);
                        *budget = BOOT_LEFT_CONFIRMED;
                        m->n_confirmed++;
                }
                break;
        }
        return new;
}

/* Boots that are over confirm nothing. */
static void confirm_stale(Machine *m, const BootState *old) {
        const BootMarker *stale = &m->markers[draw(m, MARKERS)];
        Refusal refusal;
        BootState new;

        if (stale->sequence == old->sequence && stale->left == old->left)
                return; /* the running one's number; that it is not the running one the boot id says
                         */
        (void)boot_state_confirm(old, stale, m->now, &new, &refusal);
        assert_true(boot_state_equal(old, &new));
}

static void os_writes(Machine *m) {
        BootState old = { 0 }, new, again;
        bool damaged = boot_state_parse(&m->disk, &old) < 0;
        unsigned budget;
        EnvBlock block;

        m->now = m->now + draw(m, 100) - (damaged ? 0 : 30);
        if (draw(m, 4) == 0)
                confirm_stale(m, &old);
        new = change(m, &old, &budget);
        if (boot_state_equal(&old, &new) && !damaged)
                return;
        if (new.sequence == 0) /* damaged, and nothing asked for: made anew */
                boot_state_cancel(&(BootState){ 0 }, m->now, &new);
        assert_int_equal(boot_state_format(&new, &block), 0);
        assert_int_equal(boot_state_parse(&block, &again), 0);
        assert_true(boot_state_equal(&new, &again));
        assert_true(new.sequence > old.sequence || (new.sequence == old.sequence &&new.left ==
                                                    old.left &&strcmp(new.mode, old.mode) == 0));
        /* What is written promises no more than was asked for, or was there. */
        assert_true(new.mode[0] == '\0' || new.left <= budget || new.left <= m->budget);

        /* One cut over another can bring back what the other one had written, and no mixture. */
        if (draw(m, 4) == 0 && m->n_allowed < ALLOWED_MAX && tear(m, &m->disk, &block)) {
                m->budget = m->budget > new.left ? m->budget : new.left;
        } else {
                m->disk = block;
                m->n_allowed = 0;
                m->budget = new.left;
        }
        (void)memcpy(m->allowed[m->n_allowed++], new.mode, sizeof(new.mode));
}

/* ---- GRUB ---- */

static bool is_allowed(const Machine *m, const char *mode) {
        for (size_t i = 0; i < m->n_allowed; i++)
                if (strcmp(m->allowed[i], mode) == 0)
                        return true;
        return false;
}

static void grub_boots(Machine *m) {
        char mode[CONFIG_NAME_SIZE];
        bool damaged, booted;
        BootState before, after, found;
        BootKind kind;
        EnvBlock block;

        if (draw(m, 200) == 0)
                m->grub_can_write = !m->grub_can_write;
        damaged = boot_state_parse(&m->disk, &before) < 0;
        kind = boot_state_boot(damaged ? NULL : &before, m->grub_can_write, mode, &after);
        m->n_boots++;
        m->n_damaged += damaged;
        m->markers[m->n_boots % MARKERS] = m->marker;
        m->marker = (BootMarker){ kind, damaged ? 0 : after.sequence, damaged ? 0 : after.left };

        if (damaged) {
                assert_string_equal(mode, "fallback");
        } else if (strcmp(mode, "fallback") != 0) {
                assert_true(is_allowed(m, mode));
        }
        booted = mode[0] && strcmp(mode, "fallback") != 0;
        if (booted) {
                assert_true(m->budget > 0);
                m->budget--;
                m->n_modes++;
        }
        if (damaged || boot_state_equal(&before, &after))
                return;
        /* save_env edits the block as it is, and writes every sector of it. */
        block = m->disk;
        assert_int_equal(
                env_block_set(&block, "vfio_left",
                              after.expired ? "-" : (char[]){ (char)('0' + after.left), 0 }),
                0);
        assert_int_equal(env_block_set(&block, "vfio_skip", after.skip ? "1" : "0"), 0);
        if (draw(m, 8) > 0) {
                m->disk = block;
        } else {
                /* Cut off in that write, the mode is not booted: the old one stands or the new. */
                (void)tear(m, &m->disk, &block);
                assert_int_equal(boot_state_parse(&m->disk, &found), 0);
                assert_true(boot_state_equal(&found, &after) || boot_state_equal(&found, &before));
                if (booted && found.left == before.left)
                        m->budget++;
        }
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);

        return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_crash_table(void **state) {
        uint64_t seed = from_environment("VFIO_MODE_TEST_SEED", 1);
        uint64_t n = from_environment("VFIO_MODE_TEST_ROUNDS", STEPS);
        Machine *m = calloc(1, sizeof(*m));

        (void)state;
        assert_non_null(m);
        print_message("# VFIO_MODE_TEST_SEED=%llu\n", (unsigned long long)seed);
        m->random = seed;
        m->now = 1700000000;
        m->grub_can_write = true;
        assert_int_equal(boot_state_format(&(BootState){ .sequence = 1, .left = 1 }, &m->disk), 0);
        m->n_allowed = 1; /* idle */
        for (uint64_t i = 0; i < n; i++) {
                if (draw(m, 5) < 2)
                        os_writes(m);
                else
                        grub_boots(m);
        }
        print_message(
                "# %u boots, %u into a mode, %u with a damaged block, %u writes cut, %u confirmed\n",
                m->n_boots, m->n_modes, m->n_damaged, m->n_torn, m->n_confirmed);
        if (n == STEPS)
                assert_true(m->n_modes > 1000 && m->n_damaged > 100 && m->n_confirmed > 100);
        free(m);
}

/* Left alone, every state comes to the fallback mode or default-mode in four boots, and stays. */
static void test_left_alone(void **state) {
        char mode[CONFIG_NAME_SIZE];

        (void)state;
        for (unsigned i = 0; i < 2 * 4 * 3 * 2; i++) {
                BootState now = { .sequence = 7,
                                  .left = i % 4,
                                  .keep = (BootKeep)(i / 4 % 3),
                                  .skip = i / 12 % 2 };
                if (i >= 24)
                        (void)strcpy(now.mode, "game");
                for (unsigned boot = 0; boot < 10; boot++) {
                        (void)boot_state_boot(&now, true, mode, &now);
                        if (boot > 4)
                                assert_string_equal(mode, now.mode[0] ? "fallback" : "");
                }
        }
}

int main(void) {
        Table table = { 0 };

        table_add(&table, "requests, boots and power cuts in any order", test_crash_table, NULL);
        table_add(&table, "a block that is left alone", test_left_alone, NULL);
        return table_run("boot-property", &table);
}
