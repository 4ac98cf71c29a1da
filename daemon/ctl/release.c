/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `release`: the mode in force may be changed for virtual machines again.
 */
#include "ctl/change.h"
#include "ctl/text.h"

static const char *const parts[] = { "mode", "held", NULL };

static void print(const json_object *after) {
        text_line(stdout, "Mode '%s' is not held.", json_get_text(after, "mode"));
}

static int run(const Arguments *arguments) {
        static const Change change = { .method = "Release", .parts = parts, .print = print };

        return change_run(arguments, &change, NULL);
}

const Verb verb_release = {
        .name = "release",
        .synopsis = "",
        .summary = "Let virtual machines change the mode again",
        .details = "A mode that a person chose, or to which a failure led, is held: a virtual\n"
                   "machine that wants another one is refused until this is said, or another mode\n"
                   "is chosen.\n",
        .is_remote = true,
        .run = run,
};
