/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-modectl(1): the table of verbs, and the run of one of them. The command line is
 * ctl/command-line's; what a verb does and says is in the file of its name in ctl/.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "config.h"
#include "ctl/command-line.h"
#include "ctl/pager.h"
#include "ctl/text.h"
#include "model/refusal.h"

static const Verb *const verbs[] = {
        &verb_status,  &verb_list_devices, &verb_list_modes,  &verb_switch,
        &verb_run,     &verb_next,         &verb_set_default, &verb_confirm,
        &verb_release, &verb_check,        &verb_init,        &verb_report,
        &verb_rom,     &verb_watch,        &verb_hook,        &verb_help,
        NULL,
};

static int run_verb(const CommandLine *line) {
        const Arguments *arguments = &line->arguments;
        pid_t pager = 0;
        int r;

        if (line->verb->pages && arguments->terminal && !arguments->no_pager &&
            arguments->json == JSON_OFF)
                pager = pager_open();
        r = line->verb->run(arguments);
        pager_close(pager);
        return r;
}

static int run(int argc, char **argv) {
        _cleanup_(command_line_done) CommandLine line = { 0 };
        int r;

        r = command_line_parse(verbs, argc, argv, &line);
        if (r != EXIT_CODE_DONE)
                return r;
        if (line.wants_help)
                return line.verb ? help_print_verb(line.verb) : help_print(verbs);
        if (line.wants_version) {
                text_line(stdout, "vfio-modectl %s", VERSION);
                return EXIT_CODE_DONE;
        }
        return run_verb(&line);
}

int main(int argc, char **argv) {
        int r;

        log_open("vfio-modectl");
        r = run(argc, argv);
        /* A full disk or a closed pipe must not look like an answer; a pager has closed stdout. */
        if (ferror(stdout) || (fflush(stdout) != 0 && errno != EBADF)) {
                complain("Cannot write the answer.");
                return r != EXIT_CODE_DONE ? r : EXIT_CODE_FAILED;
        }
        return r;
}
