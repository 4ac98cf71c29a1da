/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-mode-apply: what the units run. The only program that writes to sysfs or loads modules.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "apply/verbs.h"
#include "base/log.h"
#include "config.h"

typedef struct Arguments {
        const char *root;
        ApplyVerb verb;
} Arguments;

static const char usage[] =
        "Usage: vfio-mode-apply [--root=DIR] [--without-units] VERB\n"
        "\n"
        "Run by the units of vfio-mode; people use vfio-modectl(1) or systemctl(1).\n"
        "\n"
        "  switch MODE      take the machine to a mode (vfio-mode@MODE.service)\n"
        "  leave MODE       go to the fallback mode (the same unit, stopping)\n"
        "  boot             pick the boot's mode and go there (vfio-mode-boot.service)\n"
        "  fallback         go to the fallback mode (vfio-mode-fallback.service)\n"
        "  replug ADDRESS   take a function that came back (vfio-mode-replug@.service)\n"
        "  confirm          confirm the boot, mend what it left (vfio-mode-confirm.service)\n"
        "  revert           go back from an unconfirmed switch (vfio-mode-revert.service)\n"
        "  late-return      clean up after a stuck driver (vfio-mode-late-return.service)\n"
        "  cut-short        clean up after a unit was ended (vfio-mode-cut-short@.service)\n"
        "  disarm           next boot: the fallback mode (vfio-mode-disarm.service)\n"
        "  verdict          look at the display manager (vfio-mode-verdict.service)\n"
        "  inspect MODE     plan and check a mode (vfio-mode-inspect@MODE.service)\n"
        "  print-inspection MODE  print that instead (vfio-modectl check --root)\n"
        "  rom ADDRESS      print a function's expansion ROM (vfio-modectl rom)\n"
        "  one-shot MODE    write the EFI variable (vfio-mode-one-shot@MODE.service)\n"
        "  grub-environment say where the boot environment is, for /etc/grub.d\n"
        "  grub-modes       list the modes for boot menu entries, for /etc/grub.d\n"
        "  initramfs        keep host drivers off devices, run in the initramfs\n"
        "  initramfs-files TOOL-KERNEL  list what an image takes, for whoever makes it\n"
        "\n"
        "  --root=DIR       act on the tree below DIR: no units, no modules\n"
        "  --without-units  leave the units of modes alone\n"
        "  --help, --version\n";

typedef enum Action {
        ACTION_RUN,
        ACTION_EXIT,
        ACTION_USAGE
} Action;

static Action parse_arguments(int argc, char *argv[], Arguments *ret) {
        static const struct option options[] = {
                { "root", required_argument, NULL, 'r' },
                { "without-units", no_argument, NULL, 'u' },
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
                case 'u':
                        ret->verb.without_units = true;
                        break;
                case 'h':
                        (void)fputs(usage, stdout);
                        return ACTION_EXIT;
                case 'v':
                        (void)puts("vfio-mode-apply " VERSION);
                        return ACTION_EXIT;
                default:
                        return ACTION_USAGE;
                }
        if (optind >= argc || argc - optind > 2)
                return ACTION_USAGE;
        ret->verb.name = argv[optind];
        ret->verb.object = argv[optind + 1];
        return ACTION_RUN;
}

static int exit_status(ExitCode code) {
        return code == EXIT_CODE_DONE ? 0 : EXIT_APPLY_BASE + (int)code;
}

int main(int argc, char *argv[]) {
        _cleanup_(root_close) Root root = ROOT_NULL;
        Arguments arguments = { 0 };
        Action action;
        int r;

        log_open("vfio-mode-apply");
        action = parse_arguments(argc, argv, &arguments);
        if (action == ACTION_EXIT)
                return 0;
        if (action == ACTION_RUN) {
                r = root_open(arguments.root, &root);
                if (r < 0) {
                        log_error_errno(r, "%s cannot be opened: %m",
                                        arguments.root ? arguments.root : "/");
                        return exit_status(EXIT_CODE_USAGE);
                }
                r = apply_run_verb(&root, &arguments.verb);
                if (r >= 0)
                        return exit_status(refusal_exit_code((RefusalKind)r));
        }
        (void)fputs(usage, stderr);
        return exit_status(EXIT_CODE_USAGE);
}
