/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's rules as far as a plan meets them; tests/fake/fake-pci.c has them all, on files.
 */
#undef NDEBUG
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plan-words.h"

#define COPY(array, text) ((void)snprintf((array), sizeof(array), "%s", (text)))

static PciAddress address_of(const char *text) {
        PciAddress address = { 0 };

        assert(pci_address_parse(text, &address) == 0);
        return address;
}

void machine_init(Machine *machine) {
        (void)memset(machine, 0, sizeof(*machine));
        machine->host.iommu = machine->host.vfio_pci = machine->host.vfio_iommu_type1 = true;
}

void machine_configure(Machine *machine, const char *text) {
        ConfigSource source = { .file = "test", .text = text, .size = strlen(text) };
        ConfigErrors errors;

        if (config_parse(&source, 1, &machine->config, &errors) < 0) {
                (void)fprintf(stderr, "config:%u: %s\n%s\n", errors.errors[0].line,
                              errors.errors[0].text, text);
                assert(false);
        }
}

void machine_add(Machine *machine, const Words *words) {
        Host *host = &machine->host;
        Function function = { .address = address_of(words->address), .iommu_group = -1 };
        const char *driver = words->variant ? words->variant : words->driver ? words->driver : "";
        const char *native = words->native ? words->native : "";
        size_t i = host->n_functions++;

        assert(host->n_functions <= HOST_FUNCTIONS_MAX);
        assert(pci_id_parse(words->id, &function.id) == 0);
        function.class_code = words->class_code;
        function.boot_vga = words->boot_vga;
        function.will_bind = words->will_bind;
        function.is_held = words->held;
        function.iommu_group = words->group > 0 ? words->group : -1;
        function.on_vfio = words->variant || strcmp(driver, "vfio-pci") == 0;
        function.holder.pid = words->holder;
        COPY(function.holder.command, words->holder > 0 ? "qemu-system-x86" : "");
        COPY(function.driver, driver);
        COPY(function.variant, words->wants ? words->wants : "");
        function.variant_is_loaded = words->wants_loaded;
        COPY(function.driver_override, words->override ? words->override : "");
        if (!words->native && !function.on_vfio)
                native = driver;
        for (; i > 0 && pci_address_compare(host->functions[i - 1].address, function.address) > 0;
             i--) {
                host->functions[i] = host->functions[i - 1];
                (void)memcpy(machine->natives[i], machine->natives[i - 1], CONFIG_DRIVER_SIZE);
        }
        host->functions[i] = function;
        COPY(machine->natives[i], native);
}

void machine_add_home(Machine *machine, const char *address, const char *driver,
                      const char *override) {
        HomeFunction home = { .address = address_of(address) };

        COPY(home.driver, driver ? driver : "");
        COPY(home.driver_override, override ? override : "");
        assert(run_state_add_home(&machine->state, &home) == 0);
}

RefusalKind machine_plan(const Machine *machine, const char *mode, bool early, Plan *ret,
                         Refusal *ret_refusal) {
        PlanInput input = {
                .config = &machine->config,
                .host = &machine->host,
                .state = &machine->state,
                .mode = mode,
                .early = early,
        };

        return plan_make(&input, ret, ret_refusal);
}

Function *machine_find(Machine *machine, const char *address) {
        PciAddress wanted = address_of(address);

        for (size_t i = 0; i < machine->host.n_functions; i++)
                if (pci_address_compare(machine->host.functions[i].address, wanted) == 0)
                        return &machine->host.functions[i];
        return NULL;
}

static bool matches(const Machine *machine, const Function *function, const char *driver) {
        size_t i = (size_t)(function - machine->host.functions);

        if (function->driver_override[0] != '\0')
                return strcmp(function->driver_override, driver) == 0;
        return strcmp(machine->natives[i], driver) == 0;
}

static void set_driver(Function *function, const char *driver) {
        COPY(function->driver, driver);
        function->on_vfio = driver_name_is_vfio(driver);
}

static bool probe_step(const Machine *machine, Function *function) {
        size_t i = (size_t)(function - machine->host.functions);

        if (function->driver[0] != '\0')
                return true;
        if (driver_name_is_vfio(function->driver_override) ||
            matches(machine, function, machine->natives[i]))
                set_driver(function, function->driver_override[0] != '\0'
                                             ? function->driver_override
                                             : machine->natives[i]);
        return true;
}

void machine_coldplug(Machine *machine) {
        for (size_t i = 0; i < machine->host.n_functions; i++)
                (void)probe_step(machine, &machine->host.functions[i]);
}

static bool is_loaded(const Machine *machine, const Function *function, const char *driver) {
        return strcmp(driver, "vfio-pci") == 0 ? machine->host.vfio_pci
                                               : function->variant_is_loaded;
}

static bool bind_step(const Machine *machine, Function *function, const Step *step) {
        if (function->driver[0] != '\0' || !matches(machine, function, step->driver))
                return false;
        if (driver_name_is_vfio(step->driver) &&
            (function->iommu_group < 0 || function_is_bridge(function) ||
             !is_loaded(machine, function, step->driver)))
                return false;
        set_driver(function, step->driver);
        return true;
}

static bool unbind_step(Function *function, const Step *step) {
        if (strcmp(function->driver, step->driver) != 0 || function->holder.pid > 0)
                return false;
        set_driver(function, "");
        return true;
}

static bool take_step(Machine *machine, const Step *step) {
        Function *function = NULL;

        for (size_t i = 0; i < machine->host.n_functions; i++)
                if (pci_address_compare(machine->host.functions[i].address, step->address) == 0)
                        function = &machine->host.functions[i];
        if (step->kind == STEP_HUGEPAGES) {
                machine->host.memory.pools[step->size].pages = step->pages;
                return true;
        }
        if (step->kind == STEP_LOAD_MODULE) {
                machine->host.vfio_pci |= strcmp(step->driver, "vfio-pci") == 0;
                machine->host.vfio_iommu_type1 |= strcmp(step->driver, "vfio_iommu_type1") == 0;
                for (size_t i = 0; i < machine->host.n_functions; i++)
                        machine->host.functions[i].variant_is_loaded |=
                                strcmp(machine->host.functions[i].variant, step->driver) == 0;
                return true;
        }
        if (step->kind == STEP_RELOAD_MODULE)
                return true;
        if (!function)
                return false;
        switch (step->kind) {
        case STEP_SET_OVERRIDE:
                COPY(function->driver_override, step->driver);
                return true;
        case STEP_UNBIND:
                return unbind_step(function, step);
        case STEP_BIND:
                return bind_step(machine, function, step);
        case STEP_PROBE:
                return probe_step(machine, function);
        case STEP_COLDPLUG: /* the driver is not loaded yet */
                return true;
        case STEP_UNLOAD_MODULE: /* the last of its modules is named as the driver is */
                if (strcmp(function->driver, step->driver) == 0)
                        set_driver(function, "");
                return true;
        case STEP_LOAD_MODULE:
        case STEP_RELOAD_MODULE:
        case STEP_HUGEPAGES:
        default:
                return false;
        }
}

static bool is_in(const PciAddress *addresses, size_t n, PciAddress address) {
        for (size_t i = 0; i < n; i++)
                if (pci_address_compare(addresses[i], address) == 0)
                        return true;
        return false;
}

static void update_homes(Machine *machine, const Plan *plan, const Host *before) {
        RunState *state = &machine->state;
        size_t n = 0;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];
                const Function *function = host_find(before, step->address);
                HomeFunction home = { .address = step->address };

                if (!step_has_address(step))
                        continue;
                COPY(home.driver, function->driver);
                COPY(home.driver_override, function->driver_override);
                assert(run_state_add_home(state, &home) == 0);
        }
        for (size_t i = 0; i < state->n_homes; i++) {
                const Function *function = host_find(&machine->host, state->homes[i].address);

                if (is_in(plan->vfio, plan->n_vfio, state->homes[i].address) ||
                    (plan->n_staying > 0 && function && function->on_vfio))
                        state->homes[n++] = state->homes[i];
        }
        state->n_homes = n;
}

const char *machine_simulate(Machine *machine, const Plan *plan) {
        static char text[PLAN_STEP_TEXT_SIZE];
        static Host before;

        before = machine->host;
        for (size_t i = 0; i < plan->n_steps; i++)
                if (!take_step(machine, &plan->steps[i]))
                        return step_format(&plan->steps[i], text);
        update_homes(machine, plan, &before);
        return NULL;
}

const char *plan_text(const Plan *plan, char *buffer, size_t size) {
        size_t n = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < plan->n_steps && n < size; i++) {
                const Step *step = &plan->steps[i];
                char address[PCI_ADDRESS_SIZE] = "";

                if (step->kind == STEP_HUGEPAGES) {
                        n += (size_t)snprintf(buffer + n, size - n,
                                              "hugepages %s %" PRIu64 " %" PRIu64 " (%" PRIu64
                                              ")\n",
                                              hugepage_name(step->size), step->pages_before,
                                              step->pages, step->pages_min);
                        continue;
                }
                if (step_has_address(step))
                        (void)pci_address_format(step->address, address);
                n += (size_t)snprintf(buffer + n, size - n, "%s%s%s%s%s\n",
                                      step_kind_name(step->kind), address[0] != '\0' ? " " : "",
                                      address, step->driver[0] != '\0' ? " " : "", step->driver);
        }
        return buffer;
}
