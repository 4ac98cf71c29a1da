/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-mode-guard: watches a mode while the GPU is away. It changes no device: it starts the unit
 * that does.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "config.h"
#include "guard/guard.h"
#include "model/config.h"

static const char usage[] = "Usage: vfio-mode-guard MODE\n"
                            "\n"
                            "Run by vfio-mode-guard@MODE.service; people use vfio-modectl(1).\n"
                            "\n"
                            "  --help, --version\n";

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        _cleanup_(root_close) Root root = ROOT_NULL;
        int option, r;

        log_open("vfio-mode-guard");
        while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (option) {
                case 'h':
                        (void)fputs(usage, stdout);
                        return EXIT_SUCCESS;
                case 'v':
                        (void)puts("vfio-mode-guard " VERSION);
                        return EXIT_SUCCESS;
                default:
                        (void)fputs(usage, stderr);
                        return 2;
                }
        if (argc - optind != 1 || !config_name_is_valid(argv[optind])) {
                (void)fputs(usage, stderr);
                return 2;
        }
        r = root_open(NULL, &root);
        if (r < 0) {
                (void)log_error_errno(r, "/ cannot be opened: %m");
                return EXIT_FAILURE;
        }
        return guard_run(&root, argv[optind]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
