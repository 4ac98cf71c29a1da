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

/* --- one guest stays, the rest returns --- */

typedef struct HeldRow {
        const char *title, *mode, *state_mode;
        int gpu, audio, nic; /* who has it */
        bool ends_guests;
        RefusalKind kind;
        size_t n_staying;
        const char *said;  /* of the first that stays, or the refusal */
        const char *steps; /* where there are any */
} HeldRow;

#define NEVER_ENDED 1 /* PID 1 itself */

#define GPU_HOME                                                                      \
        "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\nbind 0000:01:00.0 " \
        "nouveau\n"
#define AUDIO_HOME                                                                    \
        "set-override 0000:01:00.1\nunbind 0000:01:00.1 vfio-pci\nbind 0000:01:00.1 " \
        "snd_hda_intel\n"
#define NIC_HOME                                                                      \
        "set-override 0000:05:00.0\nunbind 0000:05:00.0 vfio-pci\nbind 0000:05:00.0 " \
        "e1000e\n"

static const HeldRow held_rows[] = {
        { "the NIC returns without the GPU", "host", "passthrough", HOLDER_UNSEEN, 0, 0, true,
          REFUSAL_NONE, 2, "0000:01:00.0 is in use by a process that cannot be seen", NIC_HOME },
        { "the group stays together", "host", "passthrough", 0, 7, 0, false, REFUSAL_NONE, 2,
          "0000:01:00.0 is in use by process 7 (qemu", NIC_HOME },
        { "the GPU returns without the NIC", "host", "passthrough", 0, 0, 7, false, REFUSAL_NONE, 1,
          "0000:05:00.0 is in use by process 7 (qemu", GPU_HOME AUDIO_HOME },
        { "from no mode, as after half a way back", "host", "", 7, 7, 0, false, REFUSAL_NONE, 2,
          "0000:01:00.0 is in use by process 7 (qemu", NIC_HOME },
        { "all are ended first", "host", "passthrough", 7, 7, 8, true, REFUSAL_NONE, 0, "",
          GPU_HOME AUDIO_HOME NIC_HOME },
        { "one is never ended", "host", "passthrough", NEVER_ENDED, 7, 8, true, REFUSAL_NONE, 2,
          "0000:01:00.0 is in use by process 1 (qemu", NIC_HOME },
        { "nothing would return", "host", "passthrough", 7, 0, 8, false, REFUSAL_BUSY, 0,
          "0000:01:00.0 is in use by process 7 (qemu", NULL },
        { "to mend the fallback mode", "host", "host", 7, 7, 0, false, REFUSAL_BUSY, 0,
          "0000:01:00.0 is in use by process 7 (qemu", NULL },
        { "to another mode", "other", "passthrough", 7, 7, 0, false, REFUSAL_BUSY, 0,
          "0000:01:00.0 is in use by process 7 (qemu", NULL },
        { "stays in the other mode", "nic", "passthrough", 0, 0, 7, false, REFUSAL_NONE, 0, "",
          GPU_HOME AUDIO_HOME },
};

static void add_away(Machine *machine, const char *address, const char *id, uint32_t class_code,
                     int group, int holder, const char *driver) {
        machine_add(machine, &(Words){ .address = address,
                                       .id = id,
                                       .class_code = class_code,
                                       .driver = "vfio-pci",
                                       .native = driver,
                                       .override = "vfio-pci",
                                       .group = group,
                                       .holder = holder });
        machine_add_home(machine, address, driver, "");
}

static void test_held(void **state) {
        const HeldRow *row = *state;
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
        char text[4096];

        machine_init(machine);
        machine_configure(machine, CONFIG "[device nic]\naddress = 0000:05:00.0\n"
                                          "[mode nic]\nvfio-devices = nic\n[mode other]\n");
        add_away(machine, "0000:01:00.0", "10de:2484", 0x030000, 12, row->gpu, "nouveau");
        add_away(machine, "0000:01:00.1", "10de:228b", 0x040300, 12, row->audio, "snd_hda_intel");
        add_away(machine, "0000:05:00.0", "8086:10d3", 0x020000, 15, row->nic, "e1000e");
        for (size_t i = 0; i < machine->host.n_functions; i++)
                machine->host.functions[i].holder.is_kept =
                        machine->host.functions[i].holder.pid == NEVER_ENDED;
        (void)snprintf(machine->state.mode, sizeof(machine->state.mode), "%s", row->state_mode);
        assert_int_equal(plan_make(&input, plan, &refusal), row->kind);
        if (row->kind == REFUSAL_NONE) {
                assert_int_equal(plan->n_staying, row->n_staying);
                assert_int_equal(plan->n_notes, row->n_staying);
                assert_ptr_equal(strstr(plan->stays_since.text, row->said), plan->stays_since.text);
                for (size_t i = 0; i < plan->n_notes; i++)
                        assert_null(strstr(plan->notes[i], "(qemu"));
                assert_string_equal(plan_text(plan, text, sizeof(text)), row->steps);
        } else
                assert_ptr_equal(strstr(refusal.text, row->said), refusal.text);
        assert_null(strstr(refusal_public(&refusal), "(qemu"));
        free(machine);
        free(plan);
}

/* Functions that are in no group have nothing in common. */
static void test_no_group(_unused_ void **state) {
        Machine *machine = calloc(1, sizeof(*machine));
        Plan *plan = calloc(1, sizeof(*plan));
        const PlanInput input = {
                .config = &machine->config,
                .host = &machine->host,
                .state = &machine->state,
                .mode = "host",
        };
        Refusal refusal = { 0 };
        char text[4096];

        machine_init(machine);
        machine_configure(machine, CONFIG "[device nic]\naddress = 0000:05:00.0\n");
        add_away(machine, "0000:01:00.0", "10de:2484", 0x030000, 0, 0, "nouveau");
        add_away(machine, "0000:05:00.0", "8086:10d3", 0x020000, 0, 7, "e1000e");
        (void)strcpy(machine->state.mode, "passthrough");
        assert_int_equal(plan_make(&input, plan, &refusal), REFUSAL_NONE);
        assert_int_equal(plan->n_staying, 1);
        assert_string_equal(plan_text(plan, text, sizeof(text)), GPU_HOME);
        free(machine);
        free(plan);
}

int main(void) {
        Table table = { 0 };

        TABLE_ROWS(&table, test_row, rows);
        TABLE_ROWS(&table, test_held, held_rows);
        table_add(&table, "functions without a group return each by itself", test_no_group, NULL);
        return table_run("plan-way-back", &table);
}
