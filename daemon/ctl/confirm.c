/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `confirm`: this boot, or this switch, was good.
 */
#include "ctl/change.h"

static int run(const Arguments *arguments) {
        return change_boots(arguments, "Confirm", NULL);
}

const Verb verb_confirm = {
        .name = "confirm",
        .synopsis = "",
        .summary = "Say that this boot, or a switch with --confirm, was good",
        .details =
                "A switch with --confirm stays; a mode that `set-default` set stays the default;\n"
                "and boots that were left unconfirmed are no longer counted.\n",
        .is_remote = true,
        .run = run,
};
