/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `set-default`: the mode of all boots from now on.
 */
#include "ctl/change.h"

static int run(const Arguments *arguments) {
        return change_boots(arguments, "SetDefault", arguments->operands[0]);
}

const Verb verb_set_default = {
        .name = "set-default",
        .synopsis = "MODE [--tries=N] [--without-protection]",
        .summary = "Go to a mode at every boot from now on",
        .details =
                "Into a mode other than the fallback mode by a trial: the first boot into it has\n"
                "to be confirmed, or the boots after it go to the fallback mode.\n"
                "\n"
                "  --tries=N               Boots that the trial may take, 1 to 3; 1 without it.\n"
                "  --without-protection    Also where nothing would bring the screen back if a\n"
                "                          boot failed.\n",
        .min_operands = 1,
        .max_operands = 1,
        .options = VERB_OPTION_TRIES | VERB_OPTION_WITHOUT_PROTECTION,
        .is_remote = true,
        .run = run,
};
