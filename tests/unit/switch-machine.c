/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "switch-machine.h"

Machine *machine_new(const char *config) {
        Machine *machine = calloc(1, sizeof(*machine));

        assert_non_null(machine);
        machine->fake = fake_host_new();
        fake_host_add_gpu(machine->fake, DISPLAY, .group = 12, .driver = "nvidia", .audio = true,
                          .boot_vga = true);
        fake_host_write(machine->fake, "etc/vfio-mode.ini", config);
        assert_int_equal(root_open(fake_host_path(machine->fake), &machine->root), 0);
        machine->before = fake_host_snapshot(machine->fake);
        log_set_max_level(LOG_EMERG - 1);
        return machine;
}

void machine_free(Machine *machine) {
        root_close(&machine->root);
        fake_host_freep(&machine->fake);
        free(machine->before);
        free(machine);
}

RefusalKind machine_switch(Machine *machine, const char *mode, const char *source) {
        const SwitchRequest request = { .verb = "switch",
                                        .mode = mode,
                                        .source = source,
                                        .reason = "a test",
                                        .without_units = true };

        return switch_run(&machine->root, &request, &machine->result);
}
