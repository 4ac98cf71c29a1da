/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a plan says and does about functions that do not come back, and about guests that are ended
 * before it begins.
 */
#undef NDEBUG
#include <stdio.h>
#include <string.h>

#include "plan-words.h"
#include "table.h"

#define CONFIG                                                                    \
        "[general]\nfallback-mode = host\n[device gpu]\naddress = 0000:01:00.0\n" \
        "consent = boot-vga\n[mode passthrough]\nvfio-devices = gpu\n"

typedef struct Row {
        const char *title, *driver;
        bool cannot_return, ends_guests;
        int holder;
        const char *mode;
        RefusalKind kind;
        const char *note; /* what the only one begins with; NULL: there is none */
} Row;

static const Row rows[] = {
        { "comes back", "nouveau", false, false, 0, "passthrough", REFUSAL_NONE, NULL },
        { "no host-driver", "nouveau", true, false, 0, "passthrough", REFUSAL_NONE,
          "0000:01:00.0 returns by reboot only: its host-driver is not on this host, and nouveau" },
        { "no driver", NULL, true, false, 0, "passthrough", REFUSAL_NONE,
          "0000:01:00.0 returns by reboot only: this host has no driver" },
        { "gone already", "vfio-pci", true, false, 0, "passthrough", REFUSAL_NONE, NULL },
        { "not to be taken", "nouveau", true, false, 0, "host", REFUSAL_NONE, NULL },
        { "held", "vfio-pci", false, false, 7, "host", REFUSAL_BUSY, NULL },
        { "held, and ended first", "vfio-pci", false, true, 7, "host", REFUSAL_NONE, NULL },
        { "held by nobody knows whom", "vfio-pci", false, true, HOLDER_UNSEEN, "host", REFUSAL_BUSY,
          NULL },
        { "held, and stays", "vfio-pci", false, true, 7, "passthrough", REFUSAL_NONE, NULL },
};

static void test_row(void **state) {
        const Row *row = *state;
        Machine *machine = calloc(1, sizeof(*machine));
        Plan *plan = calloc(1, sizeof(*plan));
        const PlanInput input = {
                .config = &machine->config,
                .host = &machine->host,
                .state = &machine->state,
                .mode = row->mode,
                .ends_guests = row->ends_guests,
        };
        Refusal refusal = { 0 };

        machine_init(machine);
        machine_configure(machine, CONFIG);
        machine_add(machine, &(Words){ .address = "0000:01:00.0",
                                       .id = "10de:2484",
                                       .class_code = 0x030000,
                                       .driver = row->driver,
                                       .group = 12,
                                       .holder = row->holder,
                                       .boot_vga = true });
        machine->host.functions[0].cannot_return = row->cannot_return;
        assert_int_equal(plan_make(&input, plan, &refusal), row->kind);
        if (row->kind == REFUSAL_NONE)
                assert_int_equal(plan->n_notes, row->note ? 1 : 0);
        if (row->note)
                assert_ptr_equal(strstr(plan->notes[0], row->note), plan->notes[0]);
        free(machine);
        free(plan);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        return table_run("plan-way-back", &table);
}
