/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line for each function: "0000:01:00.0 nvidia". An empty file says that there was none, which a
 * later run of the boot unit, when all drivers are there, must not change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "bound-early.h"
#include "host/host-scan.h"
#include "host/state-files.h"
#include "state-write.h"

#define BOUND_EARLY_PATH RUN_DIR "/bound-early"
#define LINE_SIZE (PCI_ADDRESS_SIZE + CONFIG_DRIVER_SIZE)
#define FILE_SIZE (HOST_FUNCTIONS_MAX * LINE_SIZE)

static int print(const Host *host, char **ret) {
        size_t size = 0;
        FILE *file = open_memstream(ret, &size);

        if (!file)
                return -ENOMEM;
        for (size_t i = 0; i < host->n_functions; i++) {
                const Function *function = &host->functions[i];
                char address[PCI_ADDRESS_SIZE];

                if (function_is_media(function) && function->driver[0] != '\0' &&
                    !driver_is_no_home(function->driver))
                        (void)fprintf(file, "%s %s\n",
                                      pci_address_format(function->address, address),
                                      function->driver);
        }
        return fclose(file) == 0 ? (int)size : -ENOMEM;
}

static int scan(const Root *root, const Config *config, char **ret) {
        _cleanup_free_ RunState *state = calloc(1, sizeof(*state));
        _cleanup_free_ Host *host = calloc(1, sizeof(*host));
        int r = state && host ? host_scan(root, config, state, host) : -ENOMEM;

        return r < 0 ? r : print(host, ret);
}

static int note(const Root *root, const Config *config) {
        _cleanup_free_ char *text = NULL;
        int n = scan(root, config, &text);
        int r = n < 0 ? n : run_dir_make(root);

        return r < 0 ? r : file_replace_at(root->fd, BOUND_EARLY_PATH, text, (size_t)n);
}

void bound_early_note(const Root *root, const Config *config) {
        int r;

        if (faccessat(root->fd, BOUND_EARLY_PATH, F_OK, 0) == 0)
                return;
        r = note(root, config);
        if (r < 0)
                log_debug("/" BOUND_EARLY_PATH " cannot be written: %s", strerror(-r));
}

bool bound_early_find(const Root *root, PciAddress address, char ret[static CONFIG_DRIVER_SIZE]) {
        _cleanup_free_ char *text = NULL;
        char wanted[PCI_ADDRESS_SIZE];
        const char *line;

        (void)pci_address_format(address, wanted);
        if (file_read_alloc_at(root->fd, BOUND_EARLY_PATH, FILE_SIZE, &text) < 0)
                return false;
        for (line = text; *line; line += line[0] == '\n') {
                size_t n = strlen(wanted), length = strcspn(line, "\n");

                if (length > n && memcmp(line, wanted, n) == 0 && line[n] == ' ')
                        return parse_copy(ret, CONFIG_DRIVER_SIZE, line + n + 1, length - n - 1) >=
                               0;
                line += length;
        }
        return false;
}
