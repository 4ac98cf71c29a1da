/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine as view/machine reads it, with what has to be said about that on stderr.
 */
#include <errno.h>
#include <string.h>

#include "ctl/local.h"
#include "ctl/text.h"

Machine *local_machine(const Arguments *arguments, MachineScan what) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        _cleanup_(root_close) Root root = ROOT_NULL;
        int r;

        if (local_root(arguments, &root) < 0)
                return NULL;
        r = machine_read(&root, what, &machine);
        if (r < 0) {
                complain("Cannot read the machine: %s", strerror(-r));
                return NULL;
        }
        if (machine->scan_is_cut)
                warn("There are more than %d PCI functions; %s.", HOST_FUNCTIONS_MAX,
                     machine_config(machine)
                             ? "only the configured ones and their IOMMU groups are shown"
                             : "the rest is not shown");
        return TAKE_PTR(machine);
}

int local_root(const Arguments *arguments, Root *ret) {
        int r;

        r = root_open(arguments->root, ret);
        if (r < 0)
                complain("Cannot open the root directory %s: %s",
                         arguments->root ? arguments->root : "/", strerror(-r));
        return r;
}

void local_complain_of_config(const Machine *machine) {
        _cleanup_(lines_done) Lines errors = { 0 };

        if (machine->config.result >= 0)
                return;
        if (machine->config.result == -ENOENT)
                lines_add(&errors, CONFIG_MISSING);
        else
                machine_config_errors(&machine->config, &errors);
        for (size_t i = 0; i < errors.n_lines; i++)
                warn("%s", errors.lines[i]);
        if (machine->accepted.result >= 0)
                warn("Going by the configuration that was accepted last (/%s).",
                     CONFIG_ACCEPTED_PATH);
}
