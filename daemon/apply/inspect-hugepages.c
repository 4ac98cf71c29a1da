/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has reserved pages for good sees it in no mode's row: they are there in host mode as well,
 * where nobody asks for any.
 */
#include "inspect-hugepages.h"
#include "base/file.h"
#include "host/memory-scan.h"
#include "model/boot-state.h"
#include "model/hugepages-check.h"
#include "model/kernel-cmdline.h"
#include "model/page-reservation.h"

/* What the plan gives back is not left. Of a way that is refused that is not known: then nothing is
 * said of pages that an earlier mode has asked for. */
static void find_left(const Situation *now, const ConfigMode *mode, const Plan *plan,
                      const Memory *memory, HugepagesLeft *ret) {
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++) {
                ret->there[size] = ret->left[size] = memory->pools[size].pages;
                if (!plan && now->state.home_pools[size].is_known)
                        ret->left[size] = ret->there[size] = mode->hugepages.pages[size];
        }
        for (size_t n = 0; plan && n < plan->n_steps; n++) {
                const Step *step = &plan->steps[n];

                if (step->kind == STEP_HUGEPAGES && step->pages < step->pages_before)
                        ret->left[step->size] = step->pages;
        }
}

static void find_keeper(const Config *config, HugepageSize size, HugepagesLeft *ret) {
        for (size_t n = 0; n < config->n_modes; n++) {
                const HugepagesWanted *wanted = &config->modes[n].hugepages;

                if (wanted->keep && wanted->pages[size] >= ret->left[size])
                        ret->kept_for[size] = config->modes[n].name;
        }
}

/* By the line that all boots have, that is: one into a mode has the mode's pages as well. */
static void find_reserved(const Root *root, HugepagesLeft *ret) {
        char cmdline[KERNEL_CMDLINE_MAX];
        PageReservation reserved;
        BootMarker marker;

        if (file_read_line_at(root->fd, "proc/cmdline", cmdline, sizeof(cmdline)) < 0 ||
            (boot_marker_find(cmdline, &marker) > 0 && boot_kind_is_armed(marker.kind)))
                return;
        page_reservation_read(cmdline, &reserved);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                ret->is_reserved[size] = reserved.pages[size] > 0;
}

void inspect_hugepages(const Situation *now, const ConfigMode *mode, const Plan *plan,
                       const PciAddress *first, Inspection *ret) {
        HugepagesLeft left = { 0 };
        MemoryNodes nodes;
        Memory memory;

        memory_scan(now->root, &memory); /* a switch looks only where a mode wants any */
        if (hugepages_are_wanted(&mode->hugepages)) {
                memory_scan_nodes(now->root, &nodes);
                hugepages_check(&mode->hugepages, &memory, &nodes,
                                first ? memory_node_of(now->root, *first) : -1, ret);
        }
        find_left(now, mode, plan, &memory, &left);
        for (HugepageSize size = 0; size < _HUGEPAGE_SIZE_MAX; size++)
                find_keeper(&now->config, size, &left);
        find_reserved(now->root, &left);
        hugepages_check_left(&mode->hugepages, &left, ret);
}
