/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `help`: what the program's table of verbs says. Knows the options that go with every verb.
 */
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/text.h"
#include "model/refusal.h"

#define USAGE_WIDTH 24
#define LINE_WIDTH 80

static const char general_options[] =
        "Options:\n"
        "  --json=FORMAT    Answer in JSON: pretty, short, or off\n"
        "  -j               The same as --json=pretty on a terminal, else --json=short\n"
        "  -H [USER@]HOST   Ask another machine, through ssh(1)\n"
        "  --root=DIR       Look at the machine whose files are below DIR; changes nothing\n"
        "  --quiet          Leave out headings and what went well\n"
        "  --no-pager       Do not send long answers through a pager\n"
        "  --help           Show this help; behind a verb, more of that verb\n"
        "  --version        Show the version\n";

const Verb *verb_find(const Verb *const *verbs, const char *name) {
        for (; *verbs; verbs++)
                if (strcmp((*verbs)->name, name) == 0 ||
                    ((*verbs)->alias && strcmp((*verbs)->alias, name) == 0))
                        return *verbs;
        return NULL;
}

static void print_verb_line(const Verb *verb) {
        _cleanup_free_ char *usage = text_format("%s %s", verb->name, verb->synopsis);

        if (strlen(usage) <= USAGE_WIDTH)
                (void)printf("  %-*s %s\n", USAGE_WIDTH, usage, verb->summary);
        else
                (void)printf("  %s\n  %*s %s\n", usage, USAGE_WIDTH, "", verb->summary);
}

int help_print(const Verb *const *verbs) {
        (void)printf(
                "Usage: vfio-modectl [OPTIONS...] VERB [ARGUMENTS...]\n"
                "\n"
                "Move the machine between modes of the host and passthrough, and see where it is.\n"
                "\n"
                "Verbs:\n");
        for (; *verbs; verbs++)
                print_verb_line(*verbs);
        (void)printf("\n%s\nSee vfio-modectl(1); `vfio-modectl help VERB` says more of a verb.\n",
                     general_options);
        return EXIT_CODE_DONE;
}

/* The next word of a synopsis, with all that its brackets have. */
static size_t item_length(const char *text) {
        unsigned depth = 0;
        size_t n = 0;

        for (; text[n] && (depth > 0 || text[n] != ' '); n++)
                depth += (text[n] == '[') - (text[n] == ']');
        return n;
}

/* Goes on below the first item where the line would become too long. */
static void print_usage(const char *program, const char *name, const char *synopsis) {
        int begin = printf("%s %s", program, name), column = begin;

        while (*synopsis) {
                int length = (int)item_length(synopsis);

                if (column + 1 + length > LINE_WIDTH) {
                        (void)printf("\n%*s", begin, "");
                        column = begin;
                }
                column += printf(" %.*s", length, synopsis);
                synopsis += length + (synopsis[length] == ' ');
        }
        (void)printf("\n");
}

int help_print_verb(const Verb *verb) {
        print_usage("Usage: vfio-modectl", verb->name, verb->synopsis);
        if (verb->alias)
                print_usage("       vfio-modectl", verb->alias, verb->synopsis);
        (void)printf("\n%s.\n\n%s", verb->summary, verb->details);
        return EXIT_CODE_DONE;
}

static int run(const Arguments *arguments) {
        const Verb *verb;

        if (arguments->n_operands == 0)
                return help_print(arguments->verbs);
        verb = verb_find(arguments->verbs, arguments->operands[0]);
        if (!verb) {
                complain("There is no verb '%s'; see: vfio-modectl help", arguments->operands[0]);
                return EXIT_CODE_USAGE;
        }
        return help_print_verb(verb);
}

const Verb verb_help = {
        .name = "help",
        .synopsis = "[VERB]",
        .summary = "Show the verbs and options, or more of one verb",
        .details = "The same as --help where no verb is named.\n",
        .max_operands = 1,
        .pages = true,
        .is_text = true,
        .run = run,
};
