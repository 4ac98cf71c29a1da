/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mode means "at least so many pages in the pool": those that an administrator has put there
 * count, and none of them is given back.
 */
#include <inttypes.h>
#include <string.h>

#include "base/plural.h"
#include "plan-hugepages.h"

#define KIB_PER_MIB 1024

static bool is_in_force(const PlanInput *input, const ConfigMode *mode) {
        return strcmp(input->state->mode, mode->name) == 0;
}

static RefusalKind check_size(const PlanInput *input, const ConfigMode *mode, HugepageSize size,
                              Refusal *refusal) {
        uint64_t minimum = hugepages_minimum(&mode->hugepages, size);

        if (minimum == 0 || input->host->memory.pools[size].is_there)
                return REFUSAL_NONE;
        return refusal_set(refusal, REFUSAL_NO_MEMORY,
                           "Mode '%s' needs %" PRIu64 " hugepage%s of %s, and this processor or "
                           "kernel has none of that size; use the other size.",
                           mode->name, minimum, plural_s(minimum), hugepage_name(size));
}

RefusalKind plan_hugepages_check(const PlanInput *input, const ConfigMode *mode, Refusal *refusal) {
        const Memory *memory = &input->host->memory;
        uint64_t needed_kib = 0, missing_kib = 0, spare_kib = memory_to_spare_kib(memory);

        if (is_in_force(input, mode))
                return REFUSAL_NONE;
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                uint64_t minimum = hugepages_minimum(&mode->hugepages, size);
                uint64_t there = memory->pools[size].pages;

                if (check_size(input, mode, size, refusal) != REFUSAL_NONE)
                        return refusal->kind;
                needed_kib += minimum * hugepage_kib(size);
                if (minimum > there)
                        missing_kib += (minimum - there) * hugepage_kib(size);
        }
        if (memory->total_kib == 0 || missing_kib == 0)
                return REFUSAL_NONE;
        if (needed_kib > memory->total_kib)
                return refusal_set(refusal, REFUSAL_NO_MEMORY,
                                   "Mode '%s' needs %" PRIu64 " MiB of hugepages, and this machine "
                                   "has %" PRIu64 " MiB of memory; want fewer.",
                                   mode->name, needed_kib / KIB_PER_MIB,
                                   memory->total_kib / KIB_PER_MIB);
        if (missing_kib > spare_kib)
                return refusal_set(refusal, REFUSAL_NO_MEMORY,
                                   "Mode '%s' needs %" PRIu64 " MiB more in hugepages, and only "
                                   "%" PRIu64 " MiB of memory can be spared now. End what uses "
                                   "memory, want fewer (hugepages-min=), or boot into the mode.",
                                   mode->name, missing_kib / KIB_PER_MIB, spare_kib / KIB_PER_MIB);
        return REFUSAL_NONE;
}

static void add_step(Plan *plan, HugepageSize size, uint64_t before, uint64_t pages,
                     uint64_t minimum) {
        plan->steps[plan->n_steps++] = (Step){
                .kind = STEP_HUGEPAGES,
                .size = size,
                .pages_before = before,
                .pages = pages,
                .pages_min = minimum,
        };
}

/* What is short in a mode that is in force was let pass when it was entered, down to its minimum.
 */
void plan_hugepages_raise(const PlanInput *input, const ConfigMode *mode, Plan *plan) {
        bool in_force = is_in_force(input, mode);

        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                const HugepagePool *pool = &input->host->memory.pools[size];
                uint64_t wanted = mode->hugepages.pages[size];
                uint64_t minimum = hugepages_minimum(&mode->hugepages, size);

                if (pool->is_there && pool->pages < (in_force ? minimum : wanted))
                        add_step(plan, size, pool->pages, wanted, in_force ? 0 : minimum);
        }
}

/* Of a mode that is in force only what it does not want at all: more than it wants may be there by
 * an administrator's doing. */
void plan_hugepages_give_back(const PlanInput *input, const ConfigMode *mode, Plan *plan) {
        bool in_force = is_in_force(input, mode);

        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                const HugepagePool *pool = &input->host->memory.pools[size];
                const HomePool *home = &input->state->home_pools[size];
                uint64_t wanted = mode->hugepages.pages[size];
                uint64_t pages = home->pages > wanted ? home->pages : wanted;

                if (home->is_known && pool->pages > pages && (!in_force || wanted == 0))
                        add_step(plan, size, pool->pages, pages, 0);
        }
}
