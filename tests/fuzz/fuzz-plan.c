/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machines of bytes: the input is a configuration's text, a NUL byte, and then ten bytes for each
 * function; its length says whether nvidia is modules. Whatever it is, the planner refuses it or
 * makes a plan that keeps to its bounds, names only functions that are there, and is the same the
 * second time.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/plan.h"

#define FUNCTION_BYTES 10
#define COPY(array, text) ((void)snprintf((array), sizeof(array), "%s", (text)))

typedef struct Input {
        Config config;
        ConfigErrors errors;
        Host host;
        RunState state;
        Plan plan, again;
        Refusal refusal;
} Input;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_function(Input *input, const uint8_t *bytes) {
        static const char *const drivers[] = { "",         "nvidia",
                                               "vfio-pci", "snd_hda_intel",
                                               "pcieport", "mlx5-vfio-pci" };
        static const uint32_t classes[] = { 0x030000, 0x038000, 0x040300, 0x060400, 0x020000 };
        Function *function = &input->host.functions[input->host.n_functions];
        HomeFunction home = { 0 };

        *function = (Function){
                .address = { bytes[0] & 1, bytes[1] & 7, (uint8_t)(bytes[1] >> 7), bytes[2] & 7 },
                .id = { 0x10de, bytes[3] & 3 },
                .class_code = classes[bytes[4] % 5],
                .iommu_group = bytes[5] % 6 - 1,
                .boot_vga = bytes[6] & 1,
                .holder = { .pid = bytes[6] & 2 },
        };
        if (host_find(&input->host, function->address))
                return;
        COPY(function->driver, drivers[bytes[7] % 6]);
        COPY(function->driver_override, drivers[bytes[8] % 6]);
        function->on_vfio = strstr(function->driver, "vfio") != NULL;
        input->host.n_functions++;
        home.address = function->address;
        COPY(home.driver, drivers[bytes[9] % 6]);
        COPY(home.driver_override, drivers[bytes[9] / 6 % 6]);
        if (bytes[9] & 0x80)
                (void)!run_state_add_home(&input->state, &home);
}

/* nvidia as modules, which some were unloaded of, and with a card that is not configured. */
static void add_stack(Input *input, uint8_t bits) {
        static const char *const names[] = { "nvidia_drm", "nvidia_modeset", "nvidia" };
        ModuleStack *stack = &input->host.stack;

        COPY(stack->driver, "nvidia");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                if (bits & 1)
                        COPY(stack->modules[stack->n_modules++].name, names[i]);
                if (bits & 2)
                        assert(run_state_add_module(&input->state, names[i]) == 0);
        }
        for (size_t i = 0; i < input->host.n_functions; i++)
                if (strcmp(input->host.functions[i].driver, "nvidia") == 0 &&
                    stack->n_functions < MODULE_STACK_FUNCTIONS_MAX)
                        stack->functions[stack->n_functions++] = input->host.functions[i].address;
        if (bits & 4)
                stack->n_functions = MODULE_STACK_FUNCTIONS_MAX + 1;
}

static void check_plan(const Input *input) {
        const Plan *plan = &input->plan;
        char text[PLAN_STEP_TEXT_SIZE];

        assert(plan->n_steps <= PLAN_STEPS_MAX && plan->n_notes <= PLAN_NOTES_MAX);
        assert(plan->n_vfio <= RUN_STATE_FUNCTIONS_MAX);
        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];

                assert(step_format(step, text) == text && step_kind_name(step->kind));
                assert(!step_has_address(step) || host_find(&input->host, step->address));
        }
        for (size_t i = 0; i < plan->n_vfio; i++)
                assert(!function_is_bridge(host_find(&input->host, plan->vfio[i])));
}

static void plan_mode(Input *input, const char *mode, bool early) {
        PlanInput plan_input = { &input->config, &input->host, &input->state, mode, early, false };
        RefusalKind kind = plan_make(&plan_input, &input->plan, &input->refusal);

        if (kind != REFUSAL_NONE) {
                assert(input->refusal.kind == kind && input->refusal.text[0] != '\0');
                assert(kind == REFUSAL_BUSY || strcmp(mode, input->config.fallback_mode) != 0);
                return;
        }
        check_plan(input);
        assert(plan_make(&plan_input, &input->again, &input->refusal) == REFUSAL_NONE);
        assert(memcmp(&input->plan, &input->again, sizeof(input->plan)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *end = memchr(data, '\0', size);
        size_t length = end ? (size_t)(end - data) : size;
        ConfigSource source = { "input", (const char *)data, length };
        Input *input = calloc(1, sizeof(*input));

        assert(input);
        if (config_parse(&source, 1, &input->config, &input->errors) >= 0) {
                input->host.iommu = size % 16 != 0;
                for (size_t at = length + 1;
                     at + FUNCTION_BYTES <= size && input->host.n_functions < HOST_FUNCTIONS_MAX;
                     at += FUNCTION_BYTES)
                        add_function(input, data + at);
                add_stack(input, (uint8_t)size);
                for (size_t i = 0; i < input->config.n_modes; i++) {
                        plan_mode(input, input->config.modes[i].name, false);
                        plan_mode(input, input->config.modes[i].name, true);
                }
        }
        free(input);
        return 0;
}
