/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold of every plan on every machine: thousands of random machines, configurations and
 * sequences of modes, each plan simulated. The seed is printed; $VFIO_MODE_TEST_SEED sets it, and
 * $VFIO_MODE_TEST_MACHINES how many machines there are.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan-words.h"

#define MACHINES 4000
#define SWITCHES 8
#define SLOTS_MAX 5
#define CONFIG_TEXT_MAX 4096

typedef struct Random {
        uint64_t state;
} Random;

typedef struct Trial {
        uint64_t seed;
        Machine machine;
        char config[CONFIG_TEXT_MAX];
        const char *problem; /* what did not hold */
        char detail[8192];
} Trial;

static unsigned below(Random *random, unsigned n) {
        random->state ^= random->state << 13;
        random->state ^= random->state >> 7;
        random->state ^= random->state << 17;
        return (unsigned)((random->state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % n;
}

static bool chance(Random *random, unsigned percent) {
        return below(random, 100) < percent;
}

__attribute__((format(printf, 2, 3))) static void append(char text[CONFIG_TEXT_MAX],
                                                         const char *format, ...) {
        size_t length = strlen(text);
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text + length, CONFIG_TEXT_MAX - length, format, arguments);
        va_end(arguments);
}

/* --- random machines --- */

typedef struct Kind {
        const char *id, *native;
        uint32_t class_code;
} Kind;

static const Kind kinds[] = {
        { "10de:2484", "nvidia", 0x030000 },    { "1002:73df", "amdgpu", 0x030000 },
        { "1234:1111", "bochs-drm", 0x038000 }, { "10de:228b", "snd_hda_intel", 0x040300 },
        { "8086:10d3", "e1000e", 0x020000 },    { "1b21:1242", "xhci_hcd", 0x0c0330 },
        { "1af4:10ff", "", 0x088000 },          { "8086:3420", "pcieport", 0x060400 },
};

/* How the function is found: on its host driver, unbound, or on a VFIO driver in some way. */
static void find_words(Random *random, const Kind *kind, Words *words) {
        bool is_bridge = kind->class_code >> 16 == PCI_CLASS_BASE_BRIDGE;

        if (chance(random, 10)) {
                words->wants = "some-vfio-pci";
                words->wants_loaded = chance(random, 50);
        }

        words->native = kind->native;
        words->driver = kind->native;
        if (is_bridge || words->group == 0 || chance(random, 60))
                return;
        if (chance(random, 40))
                words->driver = "";
        else if (chance(random, 75))
                words->driver = "vfio-pci";
        else if (chance(random, 20))
                words->driver = "pci-stub";
        else
                words->variant = "nvgrace-gpu-vfio-pci";
        if (words->variant)
                words->override = words->variant;
        else if (chance(random, 70))
                words->override = words->driver[0] != '\0' ? "vfio-pci" : "";
        else if (chance(random, 30))
                words->override = chance(random, 50) ? "vfio-pci" : kind->native;
        if ((words->variant || strcmp(words->driver, "vfio-pci") == 0) && chance(random, 5))
                words->holder = 4711;
}

static void add_slot(Random *random, Trial *trial, unsigned slot, bool *has_boot_vga) {
        unsigned functions = 1 + below(random, 3), group = slot + 1;

        if (chance(random, 20))
                group = 1 + below(random, SLOTS_MAX);
        for (unsigned i = 0; i < functions; i++) {
                const Kind *kind = &kinds[below(random, ARRAY_SIZE(kinds))];
                char address[32];
                Words words = { .address = address,
                                .id = kind->id,
                                .class_code = kind->class_code };

                (void)snprintf(address, sizeof(address), "0000:%02x:00.%u", slot + 1, i);
                words.group = chance(random, 5) ? 0 : (int)group;
                /* What has no host driver is returned to none, which no plan can foresee: it would
                 * free a group that the plan holds to be in the host's use. So it has a group to
                 * itself. */
                if (kind->native[0] == '\0')
                        words.group = (int)(100 + slot * 8 + i);
                find_words(random, kind, &words);
                words.boot_vga = !*has_boot_vga && kind->class_code == 0x030000;
                *has_boot_vga |= words.boot_vga;
                machine_add(&trial->machine, &words);
                if (strcmp(kind->native, "pcieport") == 0)
                        continue;
                if ((words.variant || strcmp(words.driver, "vfio-pci") == 0) && chance(random, 70))
                        machine_add_home(&trial->machine, address,
                                         chance(random, 80) ? kind->native : "",
                                         chance(random, 80) ? "" : "vfio-pci");
        }
}

/* --- random configurations --- */

static const char *id_of(Trial *trial, unsigned slot, char id[PCI_ID_SIZE]) {
        const Function *function =
                host_find(&trial->machine.host, (PciAddress){ 0, (uint8_t)(slot + 1), 0, 0 });

        return function ? pci_id_format(function->id, id) : "dead:beef";
}

static void add_device(Random *random, Trial *trial, unsigned slot) {
        char id[PCI_ID_SIZE];

        append(trial->config, "[device d%u]\n", slot);
        if (chance(random, 85) || strstr(trial->config, "\nid ="))
                append(trial->config, "address = 0000:%02x:00.0\n", slot + 1);
        else
                append(trial->config, "id = %s\n", id_of(trial, slot, id));
        if (chance(random, 60))
                append(trial->config, "consent = boot-vga\n");
        if (chance(random, 20))
                append(trial->config, "functions = 0%s\n", chance(random, 50) ? " 1" : "");
        if (chance(random, 15)) {
                const Function *function = host_find(&trial->machine.host,
                                                     (PciAddress){ 0, (uint8_t)(slot + 1), 0, 0 });
                size_t i = function ? (size_t)(function - trial->machine.host.functions) : 0;

                if (function && trial->machine.natives[i][0] != '\0')
                        append(trial->config, "host-driver = %s\n", trial->machine.natives[i]);
        }
}

static void add_mode(Random *random, Trial *trial, const char *name, unsigned configured,
                     unsigned percent) {
        append(trial->config, "[mode %s]\n", name);
        if (configured == 0)
                return;
        append(trial->config, "vfio-devices =");
        for (unsigned slot = 0; slot < SLOTS_MAX; slot++)
                if (configured & (1u << slot) && chance(random, percent))
                        append(trial->config, " d%u", slot);
        append(trial->config, "\n");
}

static void build(Trial *trial) {
        Random random = { trial->seed * UINT64_C(0x9E3779B97F4A7C15) + 1 };
        bool has_boot_vga = false;
        unsigned slots = 1 + below(&random, SLOTS_MAX), configured = 0;

        machine_init(&trial->machine);
        for (unsigned slot = 0; slot < slots; slot++)
                add_slot(&random, trial, slot, &has_boot_vga);
        trial->machine.host.iommu = chance(&random, 97);
        trial->machine.host.vfio_pci = chance(&random, 80);
        trial->machine.host.vfio_iommu_type1 = chance(&random, 80);
        (void)strcpy(trial->config, "[general]\ndefault-mode = host\nfallback-mode = host\n");
        for (unsigned slot = 0; slot < SLOTS_MAX; slot++)
                if (chance(&random, slot < slots ? 65 : 3)) {
                        add_device(&random, trial, slot);
                        configured |= 1u << slot;
                }
        add_mode(&random, trial, "host", configured, 10);
        add_mode(&random, trial, "passthrough", configured, 70);
        add_mode(&random, trial, "other", configured, 40);
        machine_configure(&trial->machine, trial->config);
}

/* --- what must hold --- */

static bool broken(Trial *trial, const char *problem, const char *detail) {
        trial->problem = problem;
        (void)snprintf(trial->detail, sizeof(trial->detail), "%s", detail);
        return false;
}

static bool is_in(const PciAddress *addresses, size_t n, PciAddress address) {
        for (size_t i = 0; i < n; i++)
                if (pci_address_compare(addresses[i], address) == 0)
                        return true;
        return false;
}

static bool only_ours_move(Trial *trial, const Plan *plan) {
        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(&trial->machine.host, step->address);
                char text[PLAN_STEP_TEXT_SIZE];

                if (!step_has_address(step))
                        continue;
                (void)step_format(step, text);
                if (!function)
                        return broken(trial, "a step is about a function that is not there", text);
                if (function_is_bridge(function))
                        return broken(trial, "a step is about a bridge", text);
                if (!config_device_of(&trial->machine.config, &trial->machine.host,
                                      step->address) &&
                    !run_state_find_home(&trial->machine.state, step->address))
                        return broken(trial, "a step is about a function that is none of ours",
                                      text);
        }
        return true;
}

/* Returns before takes; among returns displays first, among takes displays last. */
static bool order_holds(Trial *trial, const Plan *plan) {
        int last = 0;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(&trial->machine.host, step->address);
                bool take, display;
                char text[4096];
                int rank;

                if (step->kind == STEP_LOAD_MODULE) {
                        if (last > 0)
                                return broken(trial, "a module is loaded too late",
                                              plan_text(plan, text, sizeof(text)));
                        continue;
                }
                take = is_in(plan->vfio, plan->n_vfio, step->address);
                display = function_is_display(function);
                rank = take ? display ? 4 : 3 : display ? 1 : 2;
                if (rank < last)
                        return broken(trial, "the order is wrong",
                                      plan_text(plan, text, sizeof(text)));
                last = rank;
        }
        return true;
}

/* What is on vfio-pci after a switch that was not refused can be given to a guest. */
static bool groups_are_viable(Trial *trial, const Plan *plan, const Host *before) {
        for (size_t i = 0; i < plan->n_vfio; i++) {
                const Function *function = host_find(&trial->machine.host, plan->vfio[i]);
                const Function *old = host_find(before, plan->vfio[i]);
                char text[PCI_ADDRESS_SIZE];

                if (!function->on_vfio)
                        return broken(trial, "a function of plan.vfio is not on vfio-pci",
                                      pci_address_format(plan->vfio[i], text));
                for (size_t j = 0; !old->on_vfio && j < trial->machine.host.n_functions; j++) {
                        const Function *member = &trial->machine.host.functions[j];

                        if (member->iommu_group == function->iommu_group &&
                            !function_leaves_group_viable(member))
                                return broken(trial,
                                              "a function was taken whose group is not viable",
                                              pci_address_format(plan->vfio[i], text));
                }
        }
        return true;
}

/* Its guest goes on, and has the whole group. */
static bool stays(const Machine *machine, const Plan *plan, const Function *function) {
        for (size_t i = 0; plan->n_staying > 0 && i < machine->host.n_functions; i++) {
                const Function *member = &machine->host.functions[i];

                if (member->holder.pid != 0 && member->iommu_group == function->iommu_group)
                        return function->on_vfio;
        }
        return false;
}

static bool is_as_wanted(Trial *trial, const Plan *plan) {
        const Machine *machine = &trial->machine;
        char text[PCI_ADDRESS_SIZE];

        for (size_t i = 0; i < machine->host.n_functions; i++) {
                const Function *function = &machine->host.functions[i];
                bool vfio = is_in(plan->vfio, plan->n_vfio, function->address);

                if (!config_device_of(&machine->config, &machine->host, function->address) ||
                    stays(machine, plan, function))
                        continue;
                if (function->on_vfio != vfio)
                        return broken(trial, "a configured function is not where the mode wants it",
                                      pci_address_format(function->address, text));
                if (!vfio && strcmp(function->driver_override, "vfio-pci") == 0)
                        return broken(trial, "a function of the host is left with our override",
                                      pci_address_format(function->address, text));
        }
        for (size_t i = 0; i < machine->state.n_homes; i++)
                if (!is_in(plan->vfio, plan->n_vfio, machine->state.homes[i].address) &&
                    !stays(machine, plan,
                           host_find(&machine->host, machine->state.homes[i].address)))
                        return broken(trial, "a function that we moved has not come back",
                                      pci_address_format(machine->state.homes[i].address, text));
        return true;
}

/* One switch: the plan, what it promises, what comes of it, and that nothing is left to do. */
static bool switch_holds(Trial *trial, const char *mode, bool early) {
        static Plan plan, again;
        static Host before;
        const char *refused;
        Refusal refusal;
        RefusalKind kind;
        char text[4096];

        kind = machine_plan(&trial->machine, mode, early, &plan, &refusal);
        if (kind != REFUSAL_NONE && strcmp(mode, "host") == 0 && kind != REFUSAL_BUSY)
                return broken(trial, "the way back was refused", refusal.text);
        if (kind != REFUSAL_NONE)
                return true;
        if (!only_ours_move(trial, &plan) || !order_holds(trial, &plan))
                return false;
        before = trial->machine.host;
        refused = machine_simulate(&trial->machine, &plan);
        if (refused)
                return broken(trial, "the kernel would refuse a step", refused);
        if (!groups_are_viable(trial, &plan, &before) || !is_as_wanted(trial, &plan))
                return false;
        if (early)
                machine_coldplug(&trial->machine);
        kind = machine_plan(&trial->machine, mode, false, &again, &refusal);
        if (plan.n_staying > 0)
                return kind == REFUSAL_BUSY || broken(trial, "there is more to do", refusal.text);
        if (kind != REFUSAL_NONE)
                return broken(trial, "a mode that is reached is refused", refusal.text);
        if (again.n_steps > 0)
                return broken(trial, "a mode that is reached has steps",
                              plan_text(&again, text, sizeof(text)));
        return true;
}

static bool holds(Trial *trial) {
        static const char *const modes[] = { "host", "passthrough", "passthrough", "other" };
        Random random = { trial->seed + 99 };

        build(trial);
        for (unsigned i = 0; i < SWITCHES; i++) {
                const char *mode = modes[below(&random, ARRAY_SIZE(modes))];
                bool early = i == 0 && chance(&random, 50);

                if (!switch_holds(trial, mode, early)) {
                        print_error("switch %u to %s%s\n", i, mode, early ? ", early" : "");
                        return false;
                }
        }
        return true;
}

/* --- telling --- */

static void describe(const Trial *trial) {
        for (size_t i = 0; i < trial->machine.host.n_functions; i++) {
                const Function *f = &trial->machine.host.functions[i];
                char address[PCI_ADDRESS_SIZE], id[PCI_ID_SIZE];

                print_error("%s %s %06x group %d driver '%s' native '%s' override '%s'%s%s\n",
                            pci_address_format(f->address, address), pci_id_format(f->id, id),
                            f->class_code, f->iommu_group, f->driver, trial->machine.natives[i],
                            f->driver_override, f->on_vfio ? " vfio" : "",
                            f->boot_vga ? " boot_vga" : "");
        }
        for (size_t i = 0; i < trial->machine.state.n_homes; i++) {
                const HomeFunction *home = &trial->machine.state.homes[i];
                char address[PCI_ADDRESS_SIZE];

                print_error("home %s '%s' '%s'\n", pci_address_format(home->address, address),
                            home->driver, home->driver_override);
        }
        print_error("%s", trial->config);
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
        const char *value = getenv(name);

        return value ? strtoull(value, NULL, 10) : otherwise;
}

static void test_every_machine(void **state) {
        uint64_t seed = from_environment("VFIO_MODE_TEST_SEED", 1);
        uint64_t n = from_environment("VFIO_MODE_TEST_MACHINES", MACHINES);
        Trial *trial = malloc(sizeof(*trial));

        assert_non_null(trial);
        print_message("# seeds %llu to %llu\n", (unsigned long long)seed,
                      (unsigned long long)(seed + n - 1));
        for (uint64_t i = 0; i < n; i++) {
                (void)memset(trial, 0, sizeof(*trial));
                trial->seed = seed + i;
                if (holds(trial))
                        continue;
                print_error("VFIO_MODE_TEST_SEED=%llu: %s: %s\n", (unsigned long long)trial->seed,
                            trial->problem, trial->detail);
                describe(trial);
                free(trial);
                fail_msg("a plan did not hold");
        }
        free(trial);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                { "every plan on every machine: only what is ours, never a bridge, in order, viable, "
                  "as wanted, and nothing left to do",
                  test_every_machine, NULL, NULL, NULL },
        };

        return cmocka_run_group_tests_name("plan-property", tests, NULL, NULL);
}
