/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "boot/grub-fresh.h"
#include "inspect-grub.h"

#define SCRIPTS "boot-scripts"

static void check_scripts(const BootPlace *place, Inspection *ret) {
        char advice[128];

        if (place->own_default[0] != '\0') {
                (void)snprintf(advice, sizeof(advice),
                               "Name another one as GRUB_DEFAULT, and run %s.",
                               place->grub_command);
                inspection_add_check(ret, CHECK_WARN, SCRIPTS, advice,
                                     "GRUB's default entry '%s' is for one mode: a boot goes "
                                     "there, whatever is armed.",
                                     place->own_default);
                return;
        }
        if (place->has_scripts) {
                inspection_add_check(ret, CHECK_PASS, SCRIPTS, "",
                                     "GRUB's configuration reads it.");
                return;
        }
        (void)snprintf(advice, sizeof(advice), "Run %s.", place->grub_command);
        inspection_add_check(ret, CHECK_WARN, SCRIPTS, advice,
                             "GRUB's configuration does not read it%s%s.",
                             place->why_no_scripts[0] ? ": " : " yet", place->why_no_scripts);
}

static void check_fresh(const Root *root, const BootPlace *place, Inspection *ret) {
        char source[BOOT_PATH_SIZE], advice[128];
        int r = grub_find_newer_source(root, place->grub_directory, source);

        (void)snprintf(advice, sizeof(advice), "Run %s.", place->grub_command);
        if (r > 0)
                inspection_add_check(ret, CHECK_WARN, "boot-fresh", advice,
                                     "/%s has been changed since GRUB's configuration was made.",
                                     source);
        else if (r == 0)
                inspection_add_check(ret, CHECK_PASS, "boot-fresh", "",
                                     "GRUB's configuration is newer than what it is made from.");
}

void inspect_grub(const Root *root, const BootPlace *place, Inspection *ret) {
        if (place->path[0] != '\0')
                check_scripts(place, ret);
        /* Another boot loader's machine may have a grub.cfg as well, which it does not boot by. */
        if (place->grub_directory[0] != '\0' &&
            (place->loader == BOOT_LOADER_GRUB || place->loader == BOOT_LOADER_GRUB_BLS))
                check_fresh(root, place, ret);
}
