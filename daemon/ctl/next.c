/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `next`: one boot into a mode, or none after all.
 */
#include "ctl/change.h"
#include "ctl/text.h"
#include "model/refusal.h"

static int run(const Arguments *arguments) {
        bool cancels = arguments->options & VERB_OPTION_CANCEL;

        if (cancels == (arguments->n_operands > 0)) {
                complain(cancels ? "--cancel takes no mode; see: vfio-modectl help next"
                                 : "'next' needs a mode or --cancel; see: vfio-modectl help next");
                return EXIT_CODE_USAGE;
        }
        if (!cancels)
                return change_boots(arguments, "SetNextBoot", arguments->operands[0]);
        if (arguments->options != VERB_OPTION_CANCEL) {
                complain("--cancel goes with no other option; see: vfio-modectl help next");
                return EXIT_CODE_USAGE;
        }
        return change_boots(arguments, "CancelNextBoot", NULL);
}

const Verb verb_next = {
        .name = "next",
        .synopsis = "MODE [--tries=N] [--without-protection] | --cancel",
        .summary = "Go to a mode at the next boot, once",
        .details = "One boot goes to the mode. Where it is confirmed, the boots after it go where\n"
                   "they went before, else to the fallback mode.\n"
                   "\n"
                   "  --tries=N               Boots that it may take, 1 to 3; 1 without it.\n"
                   "  --without-protection    Also where nothing would bring the screen back if\n"
                   "                          that boot failed.\n"
                   "  --cancel                Take back what was set for the next boot, and let a\n"
                   "                          default that failed be tried again.\n",
        .max_operands = 1,
        .options = VERB_OPTION_CANCEL | VERB_OPTION_TRIES | VERB_OPTION_WITHOUT_PROTECTION,
        .is_remote = true,
        .run = run,
};
