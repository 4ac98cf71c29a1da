/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of vfio-modectl: words with a NUL between them are refused with an exit status,
 * or are a verb with as many operands and only such options as it takes.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/command-line.h"
#include "model/refusal.h"

#define WORDS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const Verb *const verbs[] = { &verb_status, &verb_list_devices, &verb_switch, &verb_run,
                                     &verb_next,   &verb_check,        &verb_init,   &verb_rom,
                                     &verb_hook,   &verb_help,         NULL };

static int split(char *text, size_t size, char **argv) {
        int argc = 0;

        argv[argc++] = (char *)"vfio-modectl";
        for (size_t i = 0; i < size && argc < WORDS_MAX; i += strlen(text + i) + 1)
                argv[argc++] = text + i;
        argv[argc] = NULL;
        return argc;
}

/* What is wrong with it is said on stderr, which is no part of this. */
static int parse(int argc, char **argv, CommandLine *ret) {
        int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        int r;

        assert(saved >= 0 && null >= 0 && dup2(null, STDERR_FILENO) >= 0);
        optind = 0; /* from the beginning, getopt_long(3) */
        r = command_line_parse(verbs, argc, argv, ret);
        assert(dup2(saved, STDERR_FILENO) >= 0);
        (void)close(saved);
        (void)close(null);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1), *argv[WORDS_MAX + 1];
        CommandLine line;
        int argc, r;

        assert(text);
        if (size > 0)
                (void)memcpy(text, data, size);
        text[size] = '\0';
        argc = split(text, size, argv);
        r = parse(argc, argv, &line);
        if (r != EXIT_CODE_DONE) {
                assert(r == EXIT_CODE_USAGE || (line.verb && r == line.verb->failure));
        } else if (!line.wants_help && !line.wants_version) {
                const Arguments *arguments = &line.arguments;

                assert(line.verb && !(arguments->options & ~line.verb->options));
                assert(arguments->n_operands >= line.verb->min_operands &&
                       arguments->n_operands <= line.verb->max_operands);
                assert(!arguments->root || !arguments->host);
        }
        command_line_done(&line);
        free(text);
        return 0;
}
