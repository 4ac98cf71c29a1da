/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows vfio-mode-apply in what it reads and in which order, so that the plan is the one that a
 * switch would follow.
 */
#include <errno.h>
#include <string.h>

#include "host/holders.h"
#include "proposal.h"

static RefusalKind refuse_config(const Machine *machine, Refusal *refusal) {
        _cleanup_(lines_done) Lines errors = { 0 };

        if (machine->config.result == -ENOENT)
                return refusal_set(refusal, REFUSAL_CONFIG_INVALID, "There is no /%s.",
                                   CONFIG_PATH);
        machine_config_errors(&machine->config, &errors);
        return refusal_set(refusal, REFUSAL_CONFIG_INVALID, "%s",
                           errors.n_lines > 0 ? errors.lines[0]
                                              : strerror(-machine->config.result));
}

/*
 * The order is vfio-mode-apply's: the way back goes by what was accepted, so that a typo made while
 * the GPU is away is no obstacle, and without any configuration there still is the way back to
 * `host`.
 *
 * Returns whether there is one; filled with nothing but the fallback mode in the last case.
 */
static bool choose_config(const Machine *machine, const char *mode, Config *ret, Refusal *refusal) {
        const Config *accepted = machine->accepted.result >= 0 ? &machine->accepted.config : NULL;
        bool is_way_back = accepted && strcmp(mode, accepted->fallback_mode) == 0;
        _cleanup_free_ ConfigErrors *errors = must_have(calloc(1, sizeof(*errors)));

        if (is_way_back && strcmp(mode, machine->state.mode) != 0)
                *ret = *accepted;
        else if (machine->config.result >= 0)
                *ret = machine->config.config;
        else if (is_way_back)
                *ret = *accepted;
        else if (accepted || strcmp(mode, "host") != 0 || config_parse(NULL, 0, ret, errors) < 0)
                return refuse_config(machine, refusal) == REFUSAL_NONE;
        return true;
}

static RefusalKind make_plan(Machine *machine, const Config *config, const char *mode,
                             Proposal *proposal) {
        const PlanInput input = {
                .config = config,
                .host = &machine->host,
                .state = &machine->moved,
                .mode = mode,
        };
        int r;

        r = machine_scan_for(machine, config);
        if (r >= 0)
                /* Sees what the caller's rights let it see; the switch itself looks as root. */
                r = holders_find_vfio(&machine->root, &machine->host);
        if (r < 0)
                return refusal_set(&proposal->refusal, REFUSAL_FAILED,
                                   "The PCI devices cannot be read: %s.", strerror(-r));
        return plan_make(&input, &proposal->plan, &proposal->refusal);
}

Proposal *proposal_make(Machine *machine, const char *mode) {
        Proposal *proposal = must_have(calloc(1, sizeof(*proposal)));
        _cleanup_free_ Config *config = must_have(calloc(1, sizeof(*config)));

        if (choose_config(machine, mode, config, &proposal->refusal))
                proposal->kind = make_plan(machine, config, mode, proposal);
        else
                proposal->kind = proposal->refusal.kind;
        return proposal;
}

void proposal_print(const Proposal *proposal) {
        const Plan *plan = &proposal->plan;
        char text[PLAN_STEP_TEXT_SIZE];

        for (size_t i = 0; i < plan->n_steps; i++)
                text_line(stdout, "  %s", step_format(&plan->steps[i], text));
        for (size_t i = 0; i < plan->n_notes; i++)
                text_line(stdout, "  note: %s", plan->notes[i]);
}

static json_object *step_to_json(const Step *step) {
        char text[PLAN_STEP_TEXT_SIZE], address[PCI_ADDRESS_SIZE];
        json_object *object = json_new();

        json_add_string(object, "step", step_kind_name(step->kind));
        json_add_string(
                object, "address",
                step->kind == STEP_LOAD_MODULE ? NULL : pci_address_format(step->address, address));
        json_add_word(object, "driver", step->driver);
        json_add_string(object, "text", step_format(step, text));
        return object;
}

void proposal_add_to_json(const Proposal *proposal, json_object *object) {
        json_object *steps = json_list(), *notes = json_list();

        for (size_t i = 0; i < proposal->plan.n_steps; i++)
                json_append(steps, step_to_json(&proposal->plan.steps[i]));
        for (size_t i = 0; i < proposal->plan.n_notes; i++)
                json_append_string(notes, proposal->plan.notes[i]);
        json_add(object, "steps", steps);
        json_add(object, "notes", notes);
}
