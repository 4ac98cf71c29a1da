/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pools a plan raises and lowers, what it refuses, and the arithmetic below it. */
#undef NDEBUG
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan-words.h"
#include "table.h"

#define GIB (UINT64_C(1024) * 1024)
#define MIB UINT64_C(1024)

#define GENERAL "[general]\ndefault-mode = host\nfallback-mode = host\n"
#define MODE GENERAL "[mode guest]\n"
#define TWO_M MODE "hugepages-2M = 100\n"
#define BOTH MODE "hugepages-1G = 4\nhugepages-2M = 100\n"

/* A pool: whether it is there, how many pages, and how many there were before we asked. */
typedef struct PoolWords {
        bool missing;
        unsigned pages;
        bool has_home;
        unsigned home;
} PoolWords;

typedef struct Row {
        const char *title;
        const char *config, *mode; /* NULL: guest */
        const char *in_force;      /* NULL: host */
        PoolWords big, small;
        uint64_t total_kib, available_kib; /* 0: 16 GiB */
        const char *steps;
        const char *says; /* of the refusal, which is no-memory */
} Row;

static const Row rows[] = {
        { .title = "a mode without hugepages leaves the pools alone",
          .config = MODE,
          .small = { .pages = 7 } },
        { .title = "an empty pool is raised",
          .config = TWO_M,
          .steps = "hugepages 2M 0 100 (100)\n" },
        { .title = "both sizes, the rare one first",
          .config = BOTH,
          .steps = "hugepages 1G 0 4 (4)\nhugepages 2M 0 100 (100)\n" },
        { .title = "pages that are there count",
          .config = BOTH,
          .big = { .pages = 4 },
          .small = { .pages = 30 },
          .steps = "hugepages 2M 30 100 (100)\n" },
        { .title = "a pool that is large enough stays",
          .config = TWO_M,
          .small = { .pages = 101 } },
        { .title = "half of them are needed",
          .config = TWO_M "hugepages-min = 50%\n",
          .steps = "hugepages 2M 0 100 (50)\n" },
        { .title = "a percentage is rounded up",
          .config = BOTH "hugepages-min = 51%\n",
          .steps = "hugepages 1G 0 4 (3)\nhugepages 2M 0 100 (51)\n" },
        { .title = "a number of them is needed",
          .config = TWO_M "hugepages-min = 7\n",
          .steps = "hugepages 2M 0 100 (7)\n" },
        { .title = "a number of them is needed, of the other size",
          .config = MODE "hugepages-1G = 4\nhugepages-min = 3\n",
          .steps = "hugepages 1G 0 4 (3)\n" },
        { .title = "none is needed",
          .config = TWO_M "hugepages-min = 0\n",
          .available_kib = 1,
          .steps = "hugepages 2M 0 100 (0)\n" },

        /* Leaving */
        { .title = "the way back gives back",
          .config = TWO_M,
          .mode = "host",
          .in_force = "guest",
          .small = { .pages = 100, .has_home = true, .home = 20 },
          .steps = "hugepages 2M 100 20 (0)\n" },
        { .title = "what we did not ask for is not given back",
          .config = TWO_M,
          .mode = "host",
          .in_force = "guest",
          .small = { .pages = 100 } },
        { .title = "what somebody else has given back stays so",
          .config = TWO_M,
          .mode = "host",
          .in_force = "guest",
          .small = { .pages = 10, .has_home = true, .home = 20 } },
        { .title = "to a mode that wants fewer",
          .config = TWO_M "[mode other]\nhugepages-2M = 60\n",
          .mode = "other",
          .in_force = "guest",
          .small = { .pages = 100, .has_home = true, .home = 20 },
          .steps = "hugepages 2M 100 60 (0)\n" },
        { .title = "to a mode that wants fewer than there were",
          .config = TWO_M "[mode other]\nhugepages-2M = 10\n",
          .mode = "other",
          .in_force = "guest",
          .small = { .pages = 100, .has_home = true, .home = 20 },
          .steps = "hugepages 2M 100 20 (0)\n" },
        { .title = "to a mode that wants the other size: had first, given back last",
          .config = TWO_M "[mode other]\nhugepages-1G = 1\n",
          .mode = "other",
          .in_force = "guest",
          .small = { .pages = 100, .has_home = true },
          .steps = "hugepages 1G 0 1 (1)\nhugepages 2M 100 0 (0)\n" },

        /* In force */
        { .title = "in force and complete",
          .config = TWO_M,
          .in_force = "guest",
          .small = { .pages = 100, .has_home = true } },
        { .title = "in force, with fewer than wanted and enough",
          .config = TWO_M "hugepages-min = 50%\n",
          .in_force = "guest",
          .small = { .pages = 50, .has_home = true } },
        { .title = "in force, with fewer than needed: asked for again, and nothing refused",
          .config = TWO_M "hugepages-min = 50%\n",
          .in_force = "guest",
          .small = { .pages = 49, .has_home = true },
          .available_kib = 1,
          .steps = "hugepages 2M 49 100 (0)\n" },
        { .title = "in force, with more than wanted",
          .config = TWO_M,
          .in_force = "guest",
          .small = { .pages = 120, .has_home = true } },
        { .title = "the fallback mode, with pages that could not be given back",
          .config = TWO_M,
          .mode = "host",
          .small = { .pages = 30, .has_home = true },
          .steps = "hugepages 2M 30 0 (0)\n" },

        /* Refused */
        { .title = "a size that the processor does not have",
          .config = BOTH,
          .big = { .missing = true },
          .says = "4 hugepages of 1G" },
        { .title = "one page of such a size",
          .config = MODE "hugepages-1G = 1\n",
          .big = { .missing = true },
          .says = "needs 1 hugepage of 1G" },
        { .title = "a size that it does not have and nobody needs",
          .config = BOTH "hugepages-min = 0%\n",
          .big = { .missing = true },
          .steps = "hugepages 2M 0 100 (0)\n" },
        { .title = "more than the machine has",
          .config = MODE "hugepages-1G = 16\nhugepages-2M = 1\n",
          .says = "needs 16386 MiB of hugepages, and this machine has 16384 MiB" },
        { .title = "more than the machine has, half of it in pages of its own",
          .config = MODE "hugepages-1G = 17\n",
          .big = { .pages = 8 },
          .says = "needs 17408 MiB" },
        { .title = "the most that can be written, of both sizes",
          .config = MODE "hugepages-1G = 16384\nhugepages-2M = 8388608\n",
          .says = "needs 33554432 MiB" },
        { .title = "more than can be spared",
          .config = MODE "hugepages-1G = 4\n",
          .available_kib = 4 * GIB + 255 * MIB,
          .says = "needs 4096 MiB more in hugepages, and only 4095 MiB" },
        { .title = "just what can be spared",
          .config = MODE "hugepages-1G = 4\n",
          .available_kib = 4 * GIB + 256 * MIB,
          .steps = "hugepages 1G 0 4 (4)\n" },
        { .title = "more than can be spared, with enough in the pool",
          .config = MODE "hugepages-1G = 4\n",
          .big = { .pages = 2 },
          .available_kib = 2 * GIB + 256 * MIB,
          .steps = "hugepages 1G 2 4 (4)\n" },
        { .title = "what is needed can be spared, what is wanted cannot",
          .config = MODE "hugepages-1G = 4\nhugepages-min = 1\n",
          .available_kib = 2 * GIB,
          .steps = "hugepages 1G 0 4 (1)\n" },
};

static void set_pool(Machine *machine, HugepageSize size, const PoolWords *words) {
        machine->host.memory.pools[size] = (HugepagePool){ !words->missing, words->pages };
        machine->state.home_pools[size] = (HomePool){ words->has_home, words->home };
}

static Machine *machine_of(const Row *row) {
        Machine *machine = malloc(sizeof(*machine));
        Memory *memory = &machine->host.memory;

        machine_init(machine);
        machine_configure(machine, row->config);
        (void)strcpy(machine->state.mode, row->in_force ? row->in_force : "host");
        memory->total_kib = row->total_kib > 0 ? row->total_kib : 16 * GIB;
        memory->available_kib = row->available_kib > 0 ? row->available_kib : memory->total_kib;
        set_pool(machine, HUGEPAGE_1G, &row->big);
        set_pool(machine, HUGEPAGE_2M, &row->small);
        return machine;
}

static void test_plan(void **state) {
        const Row *row = *state;
        Machine *machine = machine_of(row);
        Plan *plan = malloc(sizeof(*plan));
        Refusal refusal = { 0 };
        RefusalKind kind;
        char text[1024];

        kind = machine_plan(machine, row->mode ? row->mode : "guest", false, plan, &refusal);
        assert_int_equal(kind, row->says ? REFUSAL_NO_MEMORY : REFUSAL_NONE);
        if (row->says) {
                if (!strstr(refusal.text, row->says))
                        print_error("%s\n", refusal.text);
                assert_non_null(strstr(refusal.text, row->says));
        } else {
                assert_string_equal(plan_text(plan, text, sizeof(text)),
                                    row->steps ? row->steps : "");
        }
        free(plan);
        free(machine);
}

/* What is unknown is no reason to refuse; what can be had is seen when it is asked for. */
static void test_memory_is_not_known(void **state) {
        Machine *machine = machine_of(&(Row){ .config = TWO_M });
        Plan *plan = malloc(sizeof(*plan));
        Refusal refusal = { 0 };

        machine->host.memory.total_kib = machine->host.memory.available_kib = 0;
        assert_int_equal(machine_plan(machine, "guest", false, plan, &refusal), REFUSAL_NONE);
        assert_int_equal(plan->n_steps, 1);
        free(plan);
        free(machine);
}

/* Whatever the pools are: it ends as wanted, and a second plan has nothing to do. */
static void test_twice(void **state) {
        const Row *row = *state;
        Machine *machine = machine_of(row);
        const char *mode = row->mode ? row->mode : "guest";
        Plan *plan = malloc(sizeof(*plan));
        Refusal refusal;

        if (machine_plan(machine, mode, false, plan, &refusal) == REFUSAL_NONE) {
                assert_null(machine_simulate(machine, plan));
                (void)strcpy(machine->state.mode, mode);
                assert_int_equal(machine_plan(machine, mode, false, plan, &refusal), REFUSAL_NONE);
                assert_int_equal(plan->n_steps, 0);
        }
        free(plan);
        free(machine);
}

static void test_sizes(void **state) {
        HugepageSize size = HUGEPAGE_2M;

        assert_true(hugepage_by_name("1G", &size));
        assert_int_equal(size, HUGEPAGE_1G);
        assert_false(hugepage_by_name("4K", &size));
        assert_int_equal(size, HUGEPAGE_1G);
        assert_int_equal(hugepages_max(HUGEPAGE_1G), 16384);
        assert_int_equal(hugepages_max(HUGEPAGE_2M), 8388608);
        assert_int_equal(memory_to_spare_kib(&(Memory){ .total_kib = GIB, .available_kib = GIB }),
                         GIB - 32 * MIB);
        assert_int_equal(memory_to_spare_kib(&(Memory){ .total_kib = GIB, .available_kib = MIB }),
                         0);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_plan, rows);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                table_add(&table, "twice", test_twice, &rows[i]);
        table_add(&table, "memory that is not known", test_memory_is_not_known, NULL);
        table_add(&table, "sizes, and what can be spared", test_sizes, NULL);
        return table_run("hugepages-plan", &table);
}
