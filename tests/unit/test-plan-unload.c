/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions on a driver that waits for its users: which modules a plan unloads and loads again, and
 * where it is refused. */
#undef NDEBUG
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan-words.h"
#include "table.h"

#define FIRST "0000:01:00.0"
#define SECOND "0000:02:00.0"
#define FIRST_AUDIO "0000:01:00.1"

#define CONFIG                                                       \
        "[general]\ndefault-mode = host\nfallback-mode = host\n"     \
        "[device first]\naddress = 0000:01:00.0\nconsent = boot-vga" \
        "%s\n[device second]\naddress = 0000:02:00.0\n"              \
        "[mode one]\nvfio-devices = first\n"                         \
        "[mode two]\nvfio-devices = second\n"                        \
        "[mode both]\nvfio-devices = first second\n"

typedef enum Where {
        NOWHERE,
        ON_NVIDIA,
        ON_NVIDIA_WITH_AUDIO,
        ON_NVIDIA_OVERRIDDEN,
        ON_VFIO,
        ON_VFIO_NO_DISPLAY,
        UNBOUND, /* by us */
} Where;

typedef struct Row {
        const char *title;
        const char *mode;
        Where first, second;
        const char *consent; /* NULL: none */
        bool built_in, tangled, early;
        bool was_unloaded;
        unsigned n_more; /* cards on nvidia that are not configured */
        const char *steps;
        const char *note;
        const char *says; /* of the refusal, which is shared-driver */
} Row;

#define UNLOAD                                    \
        "unload-module 0000:01:00.0 nvidia_uvm\n" \
        "unload-module 0000:01:00.0 nvidia_drm\n" \
        "unload-module 0000:01:00.0 nvidia_modeset\n"
#define LOAD                           \
        "load-module nvidia\n"         \
        "load-module nvidia_modeset\n" \
        "load-module nvidia_drm\n"     \
        "load-module nvidia_uvm\n"

static const Row rows[] = {
        { .title = "the driver is unloaded, modules above it first",
          .mode = "one",
          .first = ON_NVIDIA,
          .steps = "set-override 0000:01:00.0 vfio-pci\n" UNLOAD
                   "unload-module 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n" },
        { .title = "after the other functions of the card",
          .mode = "one",
          .first = ON_NVIDIA_WITH_AUDIO,
          .steps = "set-override 0000:01:00.1 vfio-pci\nunbind 0000:01:00.1 snd_hda_intel\n"
                   "bind 0000:01:00.1 vfio-pci\n"
                   "set-override 0000:01:00.0 vfio-pci\n" UNLOAD
                   "unload-module 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n" },
        { .title = "once for two cards that go together",
          .mode = "both",
          .first = ON_NVIDIA,
          .second = ON_NVIDIA,
          .steps = "set-override 0000:01:00.0 vfio-pci\nset-override 0000:02:00.0 vfio-pci\n" UNLOAD
                   "unload-module 0000:01:00.0 nvidia\nunload-module 0000:02:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\nbind 0000:02:00.0 vfio-pci\n" },
        { .title = "where each was is noted before, whatever its override",
          .mode = "both",
          .first = ON_NVIDIA,
          .second = ON_NVIDIA_OVERRIDDEN,
          .steps = "set-override 0000:01:00.0 vfio-pci\nset-override 0000:02:00.0 vfio-pci\n" UNLOAD
                   "unload-module 0000:01:00.0 nvidia\nunload-module 0000:02:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\nbind 0000:02:00.0 vfio-pci\n" },
        { .title = "modules without an order are not unloaded, and the driver not unbound",
          .mode = "one",
          .first = ON_NVIDIA,
          .tangled = true,
          .says = "hold each other, so it cannot be unloaded" },
        { .title = "but where that is consented to",
          .mode = "one",
          .first = ON_NVIDIA,
          .tangled = true,
          .consent = " shared-driver",
          .steps = "set-override 0000:01:00.0 vfio-pci\nunbind 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n",
          .note = "stays loaded (the modules above it are too many, or hold each other)" },
        { .title = "early at boot as well",
          .mode = "one",
          .first = ON_NVIDIA,
          .early = true,
          .steps = "set-override 0000:01:00.0 vfio-pci\n" UNLOAD
                   "unload-module 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n" },
        { .title = "early at boot a card goes that the driver does not have yet, whatever it has",
          .mode = "one",
          .first = UNBOUND,
          .second = ON_NVIDIA,
          .early = true,
          .steps = "bind 0000:01:00.0 vfio-pci\n" },
        { .title = "a driver that is no module is unbound",
          .mode = "one",
          .first = ON_NVIDIA,
          .built_in = true,
          .steps = "set-override 0000:01:00.0 vfio-pci\nunbind 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n" },

        /* A second card */
        { .title = "a second card stays",
          .mode = "one",
          .first = ON_NVIDIA,
          .second = ON_NVIDIA,
          .says = "0000:02:00.0" },
        { .title = "a card stays that is not configured",
          .mode = "one",
          .first = ON_NVIDIA,
          .n_more = 1,
          .says = "0000:09:00.0" },
        { .title = "more cards stay than there is room for",
          .mode = "one",
          .first = ON_NVIDIA,
          .n_more = MODULE_STACK_FUNCTIONS_MAX,
          .says = "consent of [device first]" },
        { .title = "a second card comes back to the driver",
          .mode = "one",
          .first = ON_NVIDIA,
          .second = ON_VFIO,
          .says = "0000:02:00.0" },
        { .title = "a second card is on vfio-pci already",
          .mode = "both",
          .first = ON_NVIDIA,
          .second = ON_VFIO,
          .steps = "set-override 0000:01:00.0 vfio-pci\n" UNLOAD
                   "unload-module 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n" },
        { .title = "consent has it unbound",
          .mode = "one",
          .first = ON_NVIDIA,
          .second = ON_NVIDIA,
          .consent = " shared-driver",
          .steps = "set-override 0000:01:00.0 vfio-pci\nunbind 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n",
          .note = "0000:01:00.0 is unbound from nvidia, which stays loaded (0000:02:00.0 needs" },
        { .title = "the consent is another device's",
          .mode = "two",
          .first = ON_NVIDIA,
          .second = ON_NVIDIA,
          .consent = " shared-driver",
          .says = "consent of [device second]" },
        { .title = "with consent the driver is unloaded where it can be",
          .mode = "one",
          .first = ON_NVIDIA,
          .consent = " shared-driver",
          .steps = "set-override 0000:01:00.0 vfio-pci\n" UNLOAD
                   "unload-module 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 vfio-pci\n" },

        /* Back */
        { .title = "what was unloaded comes back with the card",
          .mode = "host",
          .first = ON_VFIO,
          .was_unloaded = true,
          .steps = "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\n"
                   "bind 0000:01:00.0 nvidia\n" LOAD },
        { .title = "after the card, whatever it is",
          .mode = "host",
          .first = ON_VFIO_NO_DISPLAY,
          .was_unloaded = true,
          .steps = "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\n"
                   "bind 0000:01:00.0 nvidia\n" LOAD },
        { .title = "also where the switch was cut short and left the card unbound",
          .mode = "host",
          .first = UNBOUND,
          .was_unloaded = true,
          .steps = "set-override 0000:01:00.0\nbind 0000:01:00.0 nvidia\n" LOAD },
        { .title = "it stays unloaded while the card is away",
          .mode = "one",
          .first = ON_VFIO,
          .was_unloaded = true,
          .steps = "" },
        { .title = "early at boot udev loads it",
          .mode = "host",
          .first = UNBOUND,
          .was_unloaded = true,
          .early = true,
          .steps = "set-override 0000:01:00.0\ncoldplug 0000:01:00.0\n" },
};

static PciAddress address_of(const char *text) {
        PciAddress address;

        assert_int_equal(pci_address_parse(text, &address), 0);
        return address;
}

static void add_card(Machine *machine, const char *address, Where where, int group) {
        Words words = { .address = address,
                        .id = "10de:2484",
                        .class_code = 0x030000,
                        .native = "nvidia",
                        .group = group };
        ModuleStack *stack = &machine->host.stack;

        if (where == NOWHERE)
                return;
        if (where == ON_VFIO_NO_DISPLAY) {
                words.class_code = 0x00ff00;
                where = ON_VFIO;
        }
        words.driver = where == ON_VFIO ? "vfio-pci" : where == UNBOUND ? NULL : "nvidia";
        words.override = where == ON_VFIO || where == UNBOUND || where == ON_NVIDIA_OVERRIDDEN
                                 ? "vfio-pci"
                                 : NULL;
        machine_add(machine, &words);
        if (where == ON_VFIO || where == UNBOUND)
                machine_add_home(machine, address, "nvidia", NULL);
        else
                stack->functions[stack->n_functions++] = address_of(address);
}

static void load_stack(Machine *machine, const Row *row) {
        static const char *const names[] = { "nvidia_uvm", "nvidia_drm", "nvidia_modeset",
                                             "nvidia" };
        ModuleStack *stack = &machine->host.stack;

        (void)strcpy(stack->driver, "nvidia");
        stack->is_tangled = row->tangled;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                if (!row->built_in && !row->tangled)
                        (void)strcpy(stack->modules[stack->n_modules++].name, names[i]);
                if (row->was_unloaded)
                        assert_int_equal(run_state_add_module(&machine->state, names[i]), 0);
        }
        for (unsigned i = 0; i < row->n_more; i++, stack->n_functions++)
                if (stack->n_functions < MODULE_STACK_FUNCTIONS_MAX)
                        stack->functions[stack->n_functions] = address_of("0000:09:00.0");
}

/* Whether the last note is about the driver. */
static bool has_note(const Plan *plan) {
        return plan->n_notes > 0 && strstr(plan->notes[plan->n_notes - 1], "stays loaded");
}

static void test_row(void **state) {
        const Row *row = *state;
        Machine *machine = calloc(1, sizeof(*machine));
        Plan *plan = calloc(1, sizeof(*plan));
        char config[512], text[2048];
        Refusal refusal = { 0 };
        RefusalKind kind;

        machine_init(machine);
        (void)snprintf(config, sizeof(config), CONFIG, row->consent ? row->consent : "");
        machine_configure(machine, config);
        add_card(machine, FIRST, row->first, 12);
        if (row->first == ON_NVIDIA_WITH_AUDIO)
                machine_add(machine, &(Words){ .address = FIRST_AUDIO,
                                               .id = "10de:228b",
                                               .class_code = 0x040300,
                                               .driver = "snd_hda_intel",
                                               .group = 12 });
        add_card(machine, SECOND, row->second, 13);
        load_stack(machine, row);
        kind = machine_plan(machine, row->mode, row->early, plan, &refusal);
        if (row->says) {
                assert_int_equal(kind, REFUSAL_SHARED_DRIVER);
                assert_non_null(strstr(refusal.text, row->says));
        } else {
                assert_int_equal(kind, REFUSAL_NONE);
                assert_string_equal(plan_text(plan, text, sizeof(text)), row->steps);
                assert_int_equal(has_note(plan), row->note != NULL);
                if (row->note)
                        assert_non_null(strstr(plan->notes[plan->n_notes - 1], row->note));
        }
        free(plan);
        free(machine);
}

static void test_words(void **state) {
        const Step step = { .kind = STEP_UNLOAD_MODULE,
                            .address = { 0, 1, 0, 0 },
                            .driver = "nvidia",
                            .n_users = 3 };
        char text[PLAN_STEP_TEXT_SIZE];

        assert_string_equal(step_format(&step, text),
                            "0000:01:00.0: unload the module nvidia (in use 3 times)");
        assert_true(step_takes_from_driver(&step));
}

/* --- the order --- */

static void test_order(void **state) {
        /* a <- b <- c, a <- c, a <- d; a has one user of its own, c has two. */
        const ModuleHolders from = {
                .names = { "a", "b", "c", "d" },
                .n_references = { 4, 1, 2, 0 },
                .n_holders = { 3, 1, 0, 0 },
                .holders = { 1u << 1 | 1u << 2 | 1u << 3, 1u << 2, 0, 0 },
                .n = 4,
        };
        static const char *const order[] = { "d", "c", "b", "a" };
        static const unsigned n_users[] = { 0, 2, 0, 1 };
        ModuleStack stack = { .n_modules = 0 };

        module_stack_order(&from, &stack);
        assert_false(stack.is_tangled);
        assert_int_equal(stack.n_modules, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_string_equal(stack.modules[i].name, order[i]);
                assert_int_equal(stack.modules[i].n_users, n_users[i]);
        }
}

/* The first of which the kernel does not have. None of them counts: not the free one either. */
static void test_no_order(void **state) {
        static const ModuleHolders orders[] = {
                { .names = { "a", "b", "free" }, .holders = { 2, 1 }, .n = 3 },
                { .names = { "a", "b" }, .holders = { 2 }, .n = 2, .is_cut = true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
                ModuleStack stack = { .n_modules = 7 };

                module_stack_order(&orders[i], &stack);
                assert_true(stack.is_tangled);
                assert_int_equal(stack.n_modules, 0);
        }
}

static void test_drivers(void **state) {
        assert_non_null(waiting_driver("nvidia"));
        assert_null(waiting_driver("nvidia_drm"));
        assert_null(waiting_driver(""));
}

int main(void) {
        Table table = { .n_tests = 0 };

        TABLE_ROWS(&table, test_row, rows);
        table_add(&table, "a step in words", test_words, NULL);
        table_add(&table, "modules are ordered by who holds them", test_order, NULL);
        table_add(&table, "modules without an order are left alone", test_no_order, NULL);
        table_add(&table, "drivers that wait", test_drivers, NULL);
        return table_run("plan-unload", &table);
}
