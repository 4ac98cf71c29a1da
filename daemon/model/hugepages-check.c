/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/plural.h"
#include "hugepages-check.h"

#define BOOT_ADVICE \
        "Boot into the mode, which reserves them before anything else, or free memory first."

#define MEMORY_TEXT_SIZE 32

#define KEPT " What is there stays when the mode is left (hugepages-keep), out of the host's reach."

typedef struct HugepagesCheck {
        const HugepagesWanted *wanted;
        const Memory *memory;
        const MemoryNodes *nodes;
        int node;
        Inspection *ret;
} HugepagesCheck;

/* ": node 0 has 3 (1 free), node 1 has 1 (1 free)" */
static void describe_nodes(const MemoryNodes *nodes, HugepageSize size, char *buffer,
                           size_t buffer_size) {
        size_t length = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < nodes->n_nodes && length < buffer_size; i++)
                length += (size_t)snprintf(buffer + length, buffer_size - length,
                                           "%s node %u has %" PRIu64 " (%" PRIu64 " free)",
                                           i == 0 ? ":" : ",", nodes->nodes[i].number,
                                           nodes->nodes[i].pages[size], nodes->nodes[i].free[size]);
}

/* Those of another node are reached more slowly than the device's own. */
static bool are_elsewhere(const HugepagesCheck *c, HugepageSize size) {
        for (size_t i = 0; c->node >= 0 && i < c->nodes->n_nodes; i++)
                if (c->nodes->nodes[i].number == (unsigned)c->node)
                        return c->nodes->nodes[i].pages[size] < c->wanted->pages[size];
        return false;
}

static void check_size(const HugepagesCheck *c, HugepageSize size, uint64_t *to_spare) {
        const uint64_t wanted = c->wanted->pages[size], there = c->memory->pools[size].pages;
        const uint64_t missing = wanted > there ? wanted - there : 0;
        const uint64_t minimum = hugepages_minimum(c->wanted, size);
        const uint64_t more = *to_spare / hugepage_kib(size), possible = there + more;
        const char *name = hugepage_name(size);
        const char *stay = c->wanted->keep ? KEPT : "";
        char id[sizeof("hugepages-1G")], nodes[256];

        (void)snprintf(id, sizeof(id), "hugepages-%s", name);
        describe_nodes(c->nodes, size, nodes, sizeof(nodes));
        if (!c->memory->pools[size].is_there)
                inspection_add_check(c->ret, CHECK_FAIL, id, "Take them out of the mode.",
                                     "The processor and the kernel have no pages of %s.", name);
        else if (possible < minimum)
                inspection_add_check(c->ret, CHECK_FAIL, id, BOOT_ADVICE,
                                     "%" PRIu64 " %s wanted and at least %" PRIu64
                                     " needed, and there is memory for %" PRIu64 "%s.",
                                     wanted, plural_are(wanted), minimum, possible, nodes);
        else if (possible < wanted)
                inspection_add_check(c->ret, CHECK_WARN, id, BOOT_ADVICE,
                                     "%" PRIu64 " %s wanted, and there is memory for %" PRIu64
                                     "%s.%s",
                                     wanted, plural_are(wanted), possible, nodes, stay);
        else if (missing > 0 && size == HUGEPAGE_1G)
                inspection_add_check(c->ret, CHECK_WARN, id, BOOT_ADVICE,
                                     "%" PRIu64 " of %" PRIu64
                                     " %s to be found in a running machine, where few whole GiB "
                                     "are free in one piece%s.%s",
                                     missing, wanted, plural_have(missing), nodes, stay);
        else if (are_elsewhere(c, size) && missing == 0)
                inspection_add_check(c->ret, CHECK_WARN, id,
                                     "Reserve them by node: hugepages=NODE:NUMBER.",
                                     "The device is on node %d, and %s%" PRIu64 " wanted %s%s%s.%s",
                                     c->node, wanted == 1 ? "the " : "not all of the ", wanted,
                                     plural_are(wanted), wanted == 1 ? " not" : "", nodes, stay);
        else
                inspection_add_check(c->ret, CHECK_PASS, id, "",
                                     "%" PRIu64 " %s wanted, %" PRIu64 " %s there%s%s.%s", wanted,
                                     plural_are(wanted), there, plural_are(there),
                                     missing > 0 ? ", and there is memory for the rest" : "", nodes,
                                     stay);
        /* What is refused takes nothing from the next; what is wanted takes all that it gets. */
        if (possible >= minimum)
                *to_spare -= (missing < more ? missing : more) * hugepage_kib(size);
}

void hugepages_check(const HugepagesWanted *wanted, const Memory *memory, const MemoryNodes *nodes,
                     int node, Inspection *ret) {
        const HugepagesCheck c = { wanted, memory, nodes, node, ret };
        uint64_t to_spare = memory_to_spare_kib(memory);

        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                if (wanted->pages[size] > 0)
                        check_size(&c, size, &to_spare);
}

/* --- what the mode does not want --- */

/* "20 GiB", or in MiB where it is no whole number of these. */
static void format_memory(uint64_t kib, char buffer[static MEMORY_TEXT_SIZE]) {
        uint64_t mib = kib >> 10;

        if (mib % 1024 == 0)
                (void)snprintf(buffer, MEMORY_TEXT_SIZE, "%" PRIu64 " GiB", mib / 1024);
        else
                (void)snprintf(buffer, MEMORY_TEXT_SIZE, "%" PRIu64 " MiB", mib);
}

static const char *say_there(uint64_t n, bool is_what_stays) {
        if (is_what_stays)
                return n == 1 ? "stays" : "stay";
        return n == 1 ? "is there" : "are there";
}

static void check_unwanted(HugepageSize size, uint64_t wanted, const HugepagesLeft *pages,
                           const char *id, Inspection *ret) {
        const uint64_t left = pages->left[size];
        const bool is_reserved = pages->is_reserved[size];
        char advice[256], memory[MEMORY_TEXT_SIZE];

        format_memory((left - wanted) * hugepage_kib(size), memory);
        (void)snprintf(advice, sizeof(advice),
                       "echo %" PRIu64 " >/sys/kernel/mm/hugepages/hugepages-%" PRIu64
                       "kB/nr_hugepages; %s",
                       wanted, hugepage_kib(size),
                       is_reserved ? "and take hugepages= off the kernel command line: a mode that "
                                     "needs them has hugepages-1G or hugepages-2M."
                                   : "and see who has asked for them: a line in sysctl.d, or a "
                                     "hypervisor while its guests run.");
        inspection_add_check(ret, CHECK_WARN, id, advice,
                             "%" PRIu64 " %s%s, and the mode wants %" PRIu64
                             ": the host is short of %s for nothing.",
                             left, say_there(left, left < pages->there[size]),
                             is_reserved ? ", reserved by the kernel command line" : "", wanted,
                             memory);
}

void hugepages_check_left(const HugepagesWanted *wanted, const HugepagesLeft *left,
                          Inspection *ret) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                const uint64_t there = left->there[size], stay = left->left[size];
                const uint64_t back = there - stay;
                char id[sizeof("hugepages-1G")];

                if (there <= wanted->pages[size])
                        continue;
                (void)snprintf(id, sizeof(id), "hugepages-%s", hugepage_name(size));
                if (stay <= wanted->pages[size])
                        inspection_add_check(ret, CHECK_PASS, id, "",
                                             "%" PRIu64 " %s there, and %" PRIu64
                                             " %s given back on the way into the mode.",
                                             there, plural_are(there), back, plural_are(back));
                else if (left->kept_for[size])
                        inspection_add_check(ret, CHECK_PASS, id, "",
                                             "%" PRIu64
                                             " %s, and %s for the mode '%s' (hugepages-keep).",
                                             stay, say_there(stay, false), say_there(stay, true),
                                             left->kept_for[size]);
                else
                        check_unwanted(size, wanted->pages[size], left, id, ret);
        }
}
