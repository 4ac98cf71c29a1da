/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "holders-check.h"

#define WLROOTS "Set WLR_DRM_DEVICES to the cards that it may use, in its environment."

/* As the kernel keeps their names, which is 15 characters of them. */
static const struct {
        const char *command, *cure;
} known[] = {
        { "gnome-shell", "Give the card the udev tag mutter-device-ignore." },
        { "mutter", "Give the card the udev tag mutter-device-ignore." },
        { "kwin_wayland",
          "Set KWIN_DRM_DEVICES to the cards that it may use, in its environment." },
        { "Hyprland", "Set AQ_DRM_DEVICES to the cards that it may use, in its environment." },
        { "sway", WLROOTS },
        { "labwc", WLROOTS },
        { "wayfire", WLROOTS },
        { "weston", "Start it with --drm-device= and the card that it may use." },
        { "Xorg", "Set Option \"AutoAddGPU\" \"false\" in its ServerFlags." },
        { "nvidia-persiste", "Name nvidia-persistenced.service in the mode's stop-units." },
};

static size_t count_processes(const Holders *holders) {
        size_t n = 0;

        for (size_t i = 0; i < holders->n; i++) {
                size_t j = 0;

                while (j < i && holders->list[j].pid != holders->list[i].pid)
                        j++;
                n += j == i && !holders->list[i].is_kept;
        }
        return n;
}

static bool has(const Holders *holders, const char *command) {
        for (size_t i = 0; i < holders->n; i++)
                if (strcmp(holders->list[i].command, command) == 0)
                        return true;
        return false;
}

void holders_check(const Holders *holders, bool other_screen, Inspection *ret) {
        size_t n = count_processes(holders), n_known = 0;

        for (size_t i = 0; other_screen && i < ARRAY_SIZE(known); i++)
                if (has(holders, known[i].command)) {
                        inspection_add_check(ret, CHECK_WARN, "holders", known[i].cure,
                                             "%s has it open, as every card that it finds.",
                                             known[i].command);
                        n_known++;
                }
        if (n_known > 0)
                return;
        inspection_add_check(ret, n > 0 ? CHECK_WARN : CHECK_PASS, "holders",
                             "The mode's keys holders and end-sessions say what becomes of them.",
                             n == 0   ? "Nobody has it open."
                             : n == 1 ? "One process has it open."
                                      : "%zu processes have it open.",
                             n);
}
