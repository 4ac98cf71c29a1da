/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-moded: org.vfiomode1 on the system bus. It changes no device: it starts the units that do.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/parse.h"
#include "bus/service.h"
#include "config.h"

typedef struct Options {
        const char *root;
        uint64_t idle_usec;
} Options;

static const char usage[] =
        "Usage: vfio-moded [--root=DIR] [--idle-timeout=MS]\n"
        "\n"
        "Started by the bus; people use vfio-modectl(1) or busctl(1).\n"
        "\n"
        "  --root=DIR         serve the tree below DIR (for tests)\n"
        "  --idle-timeout=MS  exit when nobody has called for so many milliseconds;\n"
        "                     0: never (default: 30000)\n"
        "  --help, --version\n";

typedef enum Action {
        ACTION_RUN,
        ACTION_EXIT,
        ACTION_USAGE
} Action;

static int parse_idle(const char *text, uint64_t *ret) {
        uint64_t ms;

        if (parse_decimal(text, UINT32_MAX, &ms) < 0)
                return -1;
        *ret = ms * UINT64_C(1000);
        return 0;
}

static Action parse_options(int argc, char *argv[], Options *ret) {
        static const struct option options[] = {
                { "root", required_argument, NULL, 'r' },
                { "idle-timeout", required_argument, NULL, 'i' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (option) {
                case 'r':
                        ret->root = optarg;
                        break;
                case 'i':
                        if (parse_idle(optarg, &ret->idle_usec) < 0)
                                return ACTION_USAGE;
                        break;
                case 'h':
                        (void)fputs(usage, stdout);
                        return ACTION_EXIT;
                case 'v':
                        (void)puts("vfio-moded " VERSION);
                        return ACTION_EXIT;
                default:
                        return ACTION_USAGE;
                }
        return optind == argc ? ACTION_RUN : ACTION_USAGE;
}

static int run(const Options *options) {
        _cleanup_(service_freep) Service *service = NULL;
        _cleanup_(root_close) Root root = ROOT_NULL;
        int r;

        r = root_open(options->root, &root);
        if (r < 0)
                return log_error_errno(r, "%s cannot be opened: %m",
                                       options->root ? options->root : "/");
        r = service_new(&root, options->idle_usec, &service);
        return r < 0 ? r : service_run(service);
}

int main(int argc, char *argv[]) {
        Options options = { .idle_usec = SERVICE_IDLE_USEC };
        Action action;

        log_open("vfio-moded");
        action = parse_options(argc, argv, &options);
        if (action == ACTION_EXIT)
                return EXIT_SUCCESS;
        if (action == ACTION_USAGE) {
                (void)fputs(usage, stderr);
                return 2;
        }
        return run(&options) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
