/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One table of options, read by getopt_long(3) in the order in which they stand.
 */
#include <getopt.h>
#include <string.h>

#include "base/parse.h"
#include "base/time-span.h"
#include "ctl/command-line.h"
#include "ctl/text.h"
#include "model/boot-state.h"
#include "model/refusal.h"

#define CONFIRM_DEFAULT 300 /* s */
#define CONFIRM_MAX 86400   /* s */

/* "-": operands come as option 1, in their place; ":": a missing value comes as ':'. */
#define SHORT_OPTIONS "-:hjH:o:"

enum {
        OPTION_OPERAND = 1,
        OPTION_JSON = 0x100,
        OPTION_QUIET,
        OPTION_NO_PAGER,
        OPTION_ROOT,
        OPTION_VERSION,
        OPTION_OF_VERB = 0x10000, /* and the bit of a VerbOption */
};

static const struct option long_options[] = {
        { "cancel", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_CANCEL },
        { "config", required_argument, NULL, OPTION_OF_VERB | VERB_OPTION_CONFIG },
        { "confirm", optional_argument, NULL, OPTION_OF_VERB | VERB_OPTION_CONFIRM },
        { "device", required_argument, NULL, OPTION_OF_VERB | VERB_OPTION_DEVICE },
        { "dry-run", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_DRY_RUN },
        { "force", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_FORCE },
        { "from-grub", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_FROM_GRUB },
        { "help", no_argument, NULL, 'h' },
        { "holders", required_argument, NULL, OPTION_OF_VERB | VERB_OPTION_HOLDERS },
        { "json", required_argument, NULL, OPTION_JSON },
        { "mode", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_MODE },
        { "no-pager", no_argument, NULL, OPTION_NO_PAGER },
        { "output", required_argument, NULL, OPTION_OF_VERB | VERB_OPTION_OUTPUT },
        { "quiet", no_argument, NULL, OPTION_QUIET },
        { "read-rom", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_READ_ROM },
        { "root", required_argument, NULL, OPTION_ROOT },
        { "tree", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_TREE },
        { "tries", required_argument, NULL, OPTION_OF_VERB | VERB_OPTION_TRIES },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "while-in-use", no_argument, NULL, OPTION_OF_VERB | VERB_OPTION_WHILE_IN_USE },
        { "without-protection", no_argument, NULL,
          OPTION_OF_VERB | VERB_OPTION_WITHOUT_PROTECTION },
        { 0 },
};

_printf_(1, 2) static int usage_error(const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list list;

        va_start(list, format);
        text = text_format_list(format, list);
        va_end(list);
        complain("%s; see: vfio-modectl help", text);
        return EXIT_CODE_USAGE;
}

/* --- one option --- */

static int parse_json(const char *text, JsonFormat *ret) {
        static const char *const names[] = {
                [JSON_OFF] = "off",
                [JSON_SHORT] = "short",
                [JSON_PRETTY] = "pretty",
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                if (strcmp(text, names[i]) != 0)
                        continue;
                *ret = (JsonFormat)i;
                return EXIT_CODE_DONE;
        }
        return usage_error("--json takes pretty, short or off, not '%s'", text);
}

static int parse_operand(CommandLine *line, char *text) {
        if (line->verb) {
                line->arguments.operands[line->arguments.n_operands++] = text;
                return EXIT_CODE_DONE;
        }
        line->verb = verb_find(line->arguments.verbs, text);
        if (line->verb)
                return EXIT_CODE_DONE;
        return usage_error("There is no verb '%s'", text);
}

/* getopt's ':' and '?'; `optopt` is 0 for a long option that does not exist. */
static int refuse_option(int option, const char *written) {
        if (optopt > 0 && optopt < OPTION_JSON && strncmp(written, "--", 2) != 0)
                return option == ':' ? usage_error("-%c needs a value", optopt)
                                     : usage_error("There is no option -%c", optopt);
        if (option == ':')
                return usage_error("%s needs a value", written);
        if (optopt != 0)
                return usage_error("%.*s takes no value", (int)strcspn(written, "="), written);
        return usage_error("There is no option %s", written);
}

static int parse_confirm(const char *text, uint64_t *ret) {
        uint64_t seconds = CONFIRM_DEFAULT;

        if (text && (time_span_parse(text, CONFIRM_MAX, &seconds) < 0 || seconds == 0))
                return usage_error("--confirm takes a time up to a day, such as 30s, 5min or "
                                   "1h, not '%s'",
                                   text);
        *ret = seconds * 1000000;
        return EXIT_CODE_DONE;
}

static int parse_holders(const char *text, const char **ret) {
        ConfigHolders holders;

        if (config_holders_parse(text, &holders) < 0)
                return usage_error("--holders takes refuse, stop or kill, not '%s'", text);
        *ret = text;
        return EXIT_CODE_DONE;
}

static int parse_tries(const char *text, unsigned *ret) {
        uint64_t tries = 0;

        if (parse_decimal(text, BOOT_TRIES_MAX, &tries) < 0 || tries == 0)
                return usage_error("--tries takes a number from 1 to %d, not '%s'", BOOT_TRIES_MAX,
                                   text);
        *ret = (unsigned)tries;
        return EXIT_CODE_DONE;
}

static int parse_device(const char *text, PciAddress *ret) {
        if (pci_address_parse_typed(text, ret) < 0)
                return usage_error("--device takes a PCI address, such as 0000:01:00.0, not '%s'",
                                   text);
        return EXIT_CODE_DONE;
}

/* The value of a verb's option, if it takes one. */
static int parse_value(Arguments *arguments, unsigned option) {
        switch ((VerbOption)option) {
        case VERB_OPTION_CONFIG:
                arguments->config = optarg;
                return EXIT_CODE_DONE;
        case VERB_OPTION_CONFIRM:
                return parse_confirm(optarg, &arguments->confirm_within);
        case VERB_OPTION_HOLDERS:
                return parse_holders(optarg, &arguments->holders);
        case VERB_OPTION_TRIES:
                return parse_tries(optarg, &arguments->tries);
        case VERB_OPTION_OUTPUT:
                arguments->output = optarg;
                return EXIT_CODE_DONE;
        case VERB_OPTION_DEVICE:
                return parse_device(optarg, &arguments->device);
        case VERB_OPTION_FORCE:
        case VERB_OPTION_FROM_GRUB:
        case VERB_OPTION_MODE:
        case VERB_OPTION_TREE:
        case VERB_OPTION_DRY_RUN:
        case VERB_OPTION_CANCEL:
        case VERB_OPTION_READ_ROM:
        case VERB_OPTION_WHILE_IN_USE:
        case VERB_OPTION_WITHOUT_PROTECTION:
                break;
        }
        return EXIT_CODE_DONE;
}

static int parse_verb_option(Arguments *arguments, unsigned option) {
        arguments->options |= option;
        return parse_value(arguments, option);
}

static int parse_switch(CommandLine *line, int option) {
        Arguments *arguments = &line->arguments;

        switch (option) {
        case 'o':
                return parse_verb_option(arguments, VERB_OPTION_OUTPUT);
        case 'h':
                line->wants_help = true;
                break;
        case 'j':
                arguments->json = arguments->terminal ? JSON_PRETTY : JSON_SHORT;
                break;
        case OPTION_NO_PAGER:
                arguments->no_pager = true;
                break;
        case OPTION_QUIET:
                arguments->quiet = true;
                break;
        case OPTION_ROOT:
                arguments->root = optarg;
                break;
        case 'H':
                arguments->host = optarg;
                break;
        case OPTION_VERSION:
                line->wants_version = true;
                break;
        default:
                return parse_verb_option(arguments, (unsigned)option & (OPTION_OF_VERB - 1u));
        }
        return EXIT_CODE_DONE;
}

/* @written: as it stands on the command line */
static int parse_option(CommandLine *line, int option, const char *written) {
        switch (option) {
        case OPTION_OPERAND:
                return parse_operand(line, optarg);
        case OPTION_JSON:
                return parse_json(optarg, &line->arguments.json);
        case ':':
        case '?':
                return refuse_option(option, written);
        default:
                return parse_switch(line, option);
        }
}

/* --- all of it --- */

static const char *verb_option_name(unsigned option) {
        for (size_t i = 0; long_options[i].name; i++)
                if ((unsigned)long_options[i].val == (OPTION_OF_VERB | option))
                        return long_options[i].name;
        return "";
}

/* What --dry-run would leave unheard. */
static int check_dry_run(unsigned options) {
        static const struct {
                VerbOption option;
                const char *why;
        } strangers[] = {
                { VERB_OPTION_HOLDERS, "which plans by the mode's own key" },
                { VERB_OPTION_CONFIRM, "which does nothing that could be confirmed" },
                { VERB_OPTION_FORCE, "which writes nothing" },
        };

        for (size_t i = 0; options & VERB_OPTION_DRY_RUN && i < ARRAY_SIZE(strangers); i++)
                if (options & strangers[i].option)
                        return usage_error("--%s does not go with --dry-run, %s",
                                           verb_option_name(strangers[i].option), strangers[i].why);
        return EXIT_CODE_DONE;
}

/* Which machine is meant, and whether the verb can be asked of it. */
static int check_host(const Arguments *arguments, const Verb *verb) {
        if (!arguments->host)
                return EXIT_CODE_DONE;
        /* ssh(1) would take it for an option. */
        if (arguments->host[0] == '\0' || arguments->host[0] == '-')
                return usage_error("-H takes a host, not '%s'", arguments->host);
        if (arguments->root)
                return usage_error("-H and --root name two machines");
        if (!verb->is_remote)
                return usage_error("'%s' reads this machine's files and does not go with -H",
                                   verb->name);
        return EXIT_CODE_DONE;
}

static int check(const CommandLine *line) {
        const Arguments *arguments = &line->arguments;
        const Verb *verb = line->verb;
        unsigned strange;

        if (line->wants_help || line->wants_version)
                return EXIT_CODE_DONE;
        if (!verb)
                return usage_error("A verb is missing");
        strange = arguments->options & ~verb->options;
        if (strange)
                return usage_error("--%s does not go with '%s'",
                                   verb_option_name(strange & -strange), verb->name);
        if (arguments->n_operands < verb->min_operands)
                return usage_error("'%s' needs more: %s", verb->name, verb->synopsis);
        if (arguments->n_operands > verb->max_operands)
                return usage_error("'%s' does not take '%s'", verb->name,
                                   arguments->operands[verb->max_operands]);
        if (verb->is_text && arguments->json != JSON_OFF)
                return usage_error("--json does not go with '%s'", verb->name);
        if (check_dry_run(arguments->options) != EXIT_CODE_DONE)
                return EXIT_CODE_USAGE;
        return check_host(arguments, verb);
}

/* Its options are its own, with or without "--" before it. */
static bool is_in_command(const CommandLine *line) {
        return line->verb && line->verb->is_wrapper && line->arguments.n_operands > 1;
}

int command_line_parse(const Verb *const *verbs, int argc, char **argv, CommandLine *ret) {
        int option, at = 1, r = EXIT_CODE_DONE;

        *ret = (CommandLine){ .arguments = {
                                      .verbs = verbs,
                                      .operands =
                                              must_have(calloc((size_t)argc + 1, sizeof(char *))),
                                      .coloured = colour_wanted(stdout),
                                      .terminal = isatty(STDOUT_FILENO),
                              } };
        opterr = 0;
        while (r == EXIT_CODE_DONE && !is_in_command(ret) &&
               (option = getopt_long(argc, argv, SHORT_OPTIONS, long_options, NULL)) >= 0) {
                r = parse_option(ret, option, argv[at]);
                at = optind;
        }
        for (; r == EXIT_CODE_DONE && optind < argc; optind++)
                r = parse_operand(ret, argv[optind]);
        if (r == EXIT_CODE_DONE)
                r = check(ret);
        return r != EXIT_CODE_DONE && ret->verb && ret->verb->failure != 0 ? ret->verb->failure : r;
}

void command_line_done(CommandLine *line) {
        free(line->arguments.operands);
        line->arguments.operands = NULL;
}
